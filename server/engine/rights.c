#include "server/engine/rights.h"

#include "proto/text.h"

/* Room in a sentence for the rest behind the user's rights. */
#define REST_BYTES 16

unsigned rights_of(const struct user *user, const struct session *session,
                   const struct object *object) {
  if (!user) {
    return ACCESS_ALL;
  }
  if (user->is_gone) {
    return ACCESS_NOTHING;
  }
  if (!value_is_absent(object->name)) {
    return user_rights(user, value_content(&object->name));
  }
  if (object->user == user) {
    return ACCESS_ALL;
  }
  return session ? session_rights_to(session, object->id) : ACCESS_NOTHING;
}

bool rights_allow(unsigned rights, unsigned access) {
  if (access & ACCESS_EITHER) {
    return rights & (ACCESS_READ | ACCESS_WRITE);
  }
  return (rights & access) == access;
}

bool rights_see(const struct call *call, const struct object *object) {
  return !call->user || rights_allow(rights_of(call->user, call->session, object), ACCESS_EITHER);
}

bool rights_see_all(const struct call *call) {
  return !call->user || call->user->settings.is_admin;
}

bool rights_see_session(const struct call *call, const struct session *session) {
  return rights_see_all(call) || session->user == call->user;
}

/* ---- the sentence */

/* "read and write" */
static void add_verbs(struct denial *denial, unsigned access, const char *between) {
  static const struct {
    unsigned access;
    const char *verb;
  } verbs[] = {{ACCESS_READ, "read"}, {ACCESS_WRITE, "write"}, {ACCESS_CREATE, "create or delete"}};
  bool is_first = true;
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
    if (access & verbs[i].access) {
      denial_add(denial, "%s%s", is_first ? "" : between, verbs[i].verb);
      is_first = false;
    }
  }
}

static void add_letters(struct denial *denial, unsigned access) {
  bool is_either = access & ACCESS_EITHER;
  denial_add(denial, "%s%s%s%s", is_either ? "r or w" : "", access & ACCESS_READ ? "r" : "",
             access & ACCESS_WRITE ? "w" : "", access & ACCESS_CREATE ? "c" : "");
}

static void add_right(struct denial *denial, const struct user_right *right) {
  char clean[HF_NAME_BYTES_MAX + 1] = "";
  if (right->prefix.len > 0) {
    text_make_name(right->prefix, clean, sizeof clean);
  }
  denial_add(denial, " %s:", clean);
  add_letters(denial, right->access);
}

static void add_rights(struct denial *denial, const struct user_settings *settings) {
  denial_add(denial, "; rights:%s", settings->rights_count ? "" : " none");
  for (size_t i = 0; i < settings->rights_count; i++) {
    const struct user_right *right = &settings->rights[i];
    if (denial->len + right->prefix.len + REST_BYTES > DENIAL_BYTES_MAX) {
      denial_add(denial, " ...");
      return;
    }
    add_right(denial, right);
  }
}

/* "dict_get", as its arm is called. */
static const char *operation_name(const struct operation *operation) {
  const ProtobufCFieldDescriptor *field =
      protobuf_c_message_descriptor_get_field(&holdfast__request__descriptor, operation->arm);
  return field ? field->name : "?";
}

static void add_what(struct denial *denial, struct bytes name) {
  if (name.len > 0) {
    denial_add_name(denial, name);
  } else {
    denial_add(denial, "this object");
  }
}

hf_reason rights_refuse(const struct call *call, struct bytes name, unsigned rights,
                        unsigned access) {
  struct denial *denial = &call->engine->denial;
  bool is_either = access & ACCESS_EITHER;
  unsigned missing = is_either ? ACCESS_READ | ACCESS_WRITE : access & ~rights;
  denial_begin(denial, HF_REASON_NO_RIGHT);
  denial_add(denial, "user ");
  denial_add_name(denial, user_name(call->user));
  denial_add(denial, rights ? " may " : " may not ");
  add_verbs(denial, rights ? rights : missing, rights ? " and " : " or ");
  denial_add(denial, " ");
  add_what(denial, name);
  if (rights) {
    denial_add(denial, ", not ");
    add_verbs(denial, missing, " or ");
    denial_add(denial, " it");
  }
  denial_add(denial, " (%s needs ", operation_name(call->operation));
  add_letters(denial, access);
  add_rights(denial, &call->user->settings);
  denial_add(denial, ")");
  return HF_REASON_NO_RIGHT;
}
