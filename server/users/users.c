#include "server/users/users.h"

#include "proto/base/arena.h"
#include "server/users/uid_name.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SHOWN_BYTES 180

struct users {
  atomic_uint references;
  struct arena arena; /* of all below */
  struct user_section *sections;
  size_t sections_count;
  struct user_key *keys;
  size_t keys_count;
  struct user_settings *made; /* what settings point to */
  struct users_settings settings;
  uid_t server;
  bool is_open, asks_for_certificates;
};

static const struct bytes owner = {(const uint8_t *)"", 0};

/* ----------------------------------------------------------------------------------- making */

/* NULL: out of memory; never for count 0. */
static void *copy(struct users *users, const void *data, size_t count, size_t size) {
  void *copied = arena_alloc(&users->arena, count * size + 1);
  if (copied != NULL && count > 0) {
    memcpy(copied, data, count * size);
  }
  return copied;
}

static bool copy_bytes(struct users *users, struct bytes *bytes) {
  bytes->data = copy(users, bytes->data, bytes->len, 1);
  return bytes->data != NULL;
}

static bool copy_settings(struct users *users, struct user_settings *settings) {
  struct user_right *rights =
      copy(users, settings->rights, settings->rights_count, sizeof *settings->rights);
  settings->rights = rights;
  bool copied = rights != NULL && copy_bytes(users, &settings->name);
  for (size_t i = 0; copied && i < settings->rights_count; i++) {
    copied = copy_bytes(users, &rights[i].prefix);
  }
  return copied;
}

static bool copy_section(struct users *users, struct user_section *section) {
  const char **names = copy(users, section->certificates, section->certificates_count,
                            sizeof *section->certificates);
  section->uids = copy(users, section->uids, section->uids_count, sizeof *section->uids);
  section->certificates = names;
  bool copied = names != NULL && section->uids != NULL && copy_settings(users, &section->settings);
  for (size_t i = 0; copied && i < section->certificates_count; i++) {
    names[i] = copy(users, names[i], strlen(names[i]) + 1, 1);
    copied = names[i] != NULL;
  }
  return copied;
}

static bool copy_sections(struct users *users, const struct users_config *config) {
  users->sections = copy(users, config->sections, config->sections_count, sizeof *config->sections);
  users->keys = copy(users, config->keys, config->keys_count, sizeof *config->keys);
  bool copied = users->sections != NULL && users->keys != NULL;
  for (size_t i = 0; copied && i < config->sections_count; i++) {
    copied = copy_section(users, &users->sections[i]);
  }
  users->sections_count = config->sections_count;
  users->keys_count = config->keys_count;
  return copied;
}

static bool has_settings(const struct users *users, struct bytes name) {
  size_t idx = 0;
  while (idx < users->settings.count && !bytes_equal(users->made[idx].name, name)) {
    idx++;
  }
  return idx < users->settings.count;
}

/* Without sections all users of keys may do everything. */
static void make_settings_of_keys(struct users *users) {
  static const struct user_right everything = {.access =
                                                   ACCESS_READ | ACCESS_WRITE | ACCESS_CREATE};
  for (size_t i = 0; i < users->keys_count; i++) {
    struct bytes name = bytes_of_text(users->keys[i].user);
    if (!has_settings(users, name)) {
      users->made[users->settings.count++] = (struct user_settings){
          .name = name, .is_admin = true, .rights = &everything, .rights_count = 1};
    }
  }
}

static bool make_settings(struct users *users) {
  size_t count = users->sections_count > 0 ? users->sections_count : users->keys_count;
  users->made = arena_alloc(&users->arena, count * sizeof *users->made + 1);
  users->settings.users = users->made;
  if (users->made == NULL) {
    return false;
  }
  for (size_t i = 0; i < users->sections_count; i++) {
    users->made[users->settings.count++] = users->sections[i].settings;
  }
  if (users->sections_count == 0) {
    make_settings_of_keys(users);
  }
  return true;
}

struct users *users_new(const struct users_config *config) {
  struct users *users = calloc(1, sizeof *users);
  if (users == NULL) {
    return NULL;
  }
  atomic_init(&users->references, 1);
  arena_init(&users->arena, SIZE_MAX);
  users->server = config->server;
  users->is_open = config->is_open;
  users->asks_for_certificates = config->asks_for_certificates;
  if (!copy_sections(users, config) || !make_settings(users)) {
    users_release(users);
    return NULL;
  }
  return users;
}

struct users *users_share(struct users *users) {
  atomic_fetch_add_explicit(&users->references, 1, memory_order_relaxed);
  return users;
}

void users_release(struct users *users) {
  if (atomic_fetch_sub(&users->references, 1) == 1) {
    arena_deinit(&users->arena);
    free(users);
  }
}

const struct users_settings *users_settings(const struct users *users) {
  return &users->settings;
}

/* ---------------------------------------------------------------------------------- finding */

static bool take(const struct user_section *section, struct bytes *name) {
  *name = section->settings.name;
  return true;
}

static const struct user_section *find_named(const struct users *users, struct bytes name) {
  for (size_t i = 0; i < users->sections_count; i++) {
    if (bytes_equal(users->sections[i].settings.name, name)) {
      return &users->sections[i];
    }
  }
  return NULL;
}

static bool find_none(const struct users *users, struct bytes *name,
                      char sentence[USERS_SENTENCE_BYTES]) {
  const struct user_section *anonymous = find_named(users, bytes_of_text(USERS_ANONYMOUS));
  if (anonymous != NULL) {
    return take(anonymous, name);
  }
  *name = owner;
  snprintf(sentence, USERS_SENTENCE_BYTES,
           "this server does not know who you are. Come over tls+tcp:// with a key%s, or ask for "
           "[user " USERS_ANONYMOUS "]",
           users->asks_for_certificates
               ? " or a certificate"
               : " (without client_ca the server asks for no certificate)");
  return users->is_open;
}

static bool has_uid(const struct user_section *section, uid_t uid) {
  size_t idx = 0;
  while (idx < section->uids_count && section->uids[idx] != uid) {
    idx++;
  }
  return idx < section->uids_count;
}

static void describe_uid(uid_t uid, char text[2 * UID_NAME_BYTES]) {
  char name[UID_NAME_BYTES];
  bool has_name = uid_name(uid, name);
  snprintf(text, 2 * UID_NAME_BYTES, "%u%s%s%s", (unsigned)uid, has_name ? " (" : "",
           has_name ? name : "", has_name ? ")" : "");
}

static bool find_uid(const struct users *users, uid_t uid, struct bytes *name,
                     char sentence[USERS_SENTENCE_BYTES]) {
  for (size_t i = 0; i < users->sections_count; i++) {
    if (has_uid(&users->sections[i], uid)) {
      return take(&users->sections[i], name);
    }
  }
  if (uid == users->server || uid == 0) {
    *name = owner;
    return true;
  }
  if (users->is_open) {
    return find_none(users, name, sentence);
  }
  char server[2 * UID_NAME_BYTES], peer[2 * UID_NAME_BYTES], peer_name[UID_NAME_BYTES];
  describe_uid(users->server, server);
  describe_uid(uid, peer);
  uid_name(uid, peer_name);
  snprintf(sentence, USERS_SENTENCE_BYTES,
           "this server serves uid %s; you are uid %s. Ask for [user \xe2\x80\xa6] uid = %s",
           server, peer, peer_name);
  return false;
}

static bool has_key(const struct users *users, const struct identity *identity) {
  size_t idx = 0;
  while (idx < users->keys_count &&
         (strcmp(users->keys[idx].user, identity->key.user) != 0 ||
          memcmp(users->keys[idx].id, identity->key.id, sizeof identity->key.id) != 0)) {
    idx++;
  }
  return idx < users->keys_count;
}

static bool find_key(const struct users *users, const struct identity *identity, struct bytes *name,
                     char sentence[USERS_SENTENCE_BYTES]) {
  const char *user = identity->key.user;
  if (!has_key(users, identity)) {
    snprintf(sentence, USERS_SENTENCE_BYTES, "the key of %s is not in the server's key file", user);
    return false;
  }
  if (users->sections_count == 0) {
    for (size_t i = 0; i < users->settings.count; i++) {
      *name = users->made[i].name;
      if (bytes_equal(*name, bytes_of_text(user))) {
        return true;
      }
    }
  }
  const struct user_section *section = find_named(users, bytes_of_text(user));
  if (section != NULL && section->has_key) {
    return take(section, name);
  }
  snprintf(sentence, USERS_SENTENCE_BYTES,
           "this server does not admit %s by a key. Ask for [user %s] key = yes", user, user);
  return false;
}

static bool has_certificate(const struct user_section *section, const char *certificate) {
  size_t idx = 0;
  while (idx < section->certificates_count &&
         strcmp(section->certificates[idx], certificate) != 0) {
    idx++;
  }
  return idx < section->certificates_count;
}

/* A CA may have signed anything, and the sentence goes into logs and to terminals. */
static void clean(const char *name, char cleaned[NAME_SHOWN_BYTES]) {
  size_t len = 0;
  for (; name[len] != '\0' && len + 1 < NAME_SHOWN_BYTES; len++) {
    bool is_plain = name[len] >= ' ' && name[len] < 0x7f && name[len] != '"';
    cleaned[len] = is_plain ? name[len] : '?';
  }
  cleaned[len] = '\0';
}

static bool find_certificate(const struct users *users, const char *names, struct bytes *name,
                             char sentence[USERS_SENTENCE_BYTES]) {
  for (const char *each = names; *each != '\0'; each += strlen(each) + 1) {
    for (size_t i = 0; i < users->sections_count; i++) {
      if (has_certificate(&users->sections[i], each)) {
        return take(&users->sections[i], name);
      }
    }
  }
  char shown[NAME_SHOWN_BYTES];
  clean(names, shown);
  snprintf(sentence, USERS_SENTENCE_BYTES,
           "your certificate is valid, but of no user of this server. Ask for [user \xe2\x80\xa6] "
           "certificate = %s",
           shown);
  return false;
}

bool users_find(const struct users *users, const struct identity *identity, struct bytes *name,
                char sentence[USERS_SENTENCE_BYTES]) {
  switch (identity->kind) {
    case IDENTITY_UID:
      return find_uid(users, identity->uid, name, sentence);
    case IDENTITY_KEY:
      return find_key(users, identity, name, sentence);
    case IDENTITY_CERTIFICATE:
      return find_certificate(users, identity->names, name, sentence);
    case IDENTITY_NONE:
      break;
  }
  return find_none(users, name, sentence);
}

size_t identity_bytes(const struct identity *identity) {
  switch (identity->kind) {
    case IDENTITY_KEY:
      return offsetof(struct identity, key) + sizeof identity->key;
    case IDENTITY_CERTIFICATE: {
      const char *end = identity->names;
      while (*end != '\0') {
        end += strlen(end) + 1;
      }
      return (size_t)(end + 1 - (const char *)identity);
    }
    default:
      return offsetof(struct identity, uid) + sizeof identity->uid;
  }
}
