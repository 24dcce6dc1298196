/* Which user a peer is: exactly one of the sections, or none, and then a sentence that says why. */
#include "server/users/users.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SERVER 3999999
#define WEB 33
#define STRANGER 4000000
#define TEXT_BYTES 256

static const uid_t web_uids[] = {WEB, 34};
static const char *const web_names[] = {"cn:web", "dns:web.prod"};
static const char *const dashboard_names[] = {"uri:spiffe://cluster/ns/prod/sa/dash",
                                              "dns:web.prod"};
static const struct user_right web_rights[] = {
    {.prefix = {(const uint8_t *)"jobs.", 5}, .access = ACCESS_WRITE},
    {.access = ACCESS_READ},
};

#define NAMED(text) \
  { (const uint8_t *)(text), sizeof(text) - 1 }

static const struct user_section sections[] = {
    {.settings =
         {.name = NAMED("web"), .rights = web_rights, .rights_count = 2, .limits = {.objects = 7}},
     .has_key = true,
     .uids = web_uids,
     .uids_count = 2,
     .certificates = web_names,
     .certificates_count = 2},
    {.settings = {.name = NAMED("dashboard"), .is_admin = true},
     .certificates = dashboard_names,
     .certificates_count = 2},
    {.settings = {.name = NAMED("ops")}, .uids = (const uid_t[]){0}, .uids_count = 1},
};
static const struct user_section anonymous = {.settings = {.name = NAMED("anonymous")}};
static const struct user_key keys[] = {
    {"web", {1, 2, 3, 4}}, {"web", {5, 6, 7, 8}}, {"dashboard", {9, 9, 9, 9}}};

static struct users *with(const struct user_section *some, size_t count, bool is_open) {
  const struct users_config config = {.sections = some,
                                      .sections_count = count,
                                      .keys = keys,
                                      .keys_count = 3,
                                      .server = SERVER,
                                      .is_open = is_open};
  struct users *users = users_new(&config);
  assert_non_null(users);
  return users;
}

/* Of the peer's user; "!" and the sentence: it is refused. */
static const char *found(const struct users *users, const struct identity *identity) {
  static char text[TEXT_BYTES + USERS_SENTENCE_BYTES];
  char sentence[USERS_SENTENCE_BYTES];
  struct bytes name;
  if (users_find(users, identity, &name, sentence)) {
    snprintf(text, sizeof text, "%.*s", (int)name.len, (const char *)name.data);
  } else {
    snprintf(text, sizeof text, "!%s", sentence);
  }
  return text;
}

static struct identity of_uid(uid_t uid) {
  return (struct identity){.kind = IDENTITY_UID, .uid = uid};
}

static struct identity of_key(const char *user, uint8_t first) {
  struct identity identity = {.kind = IDENTITY_KEY};
  snprintf(identity.key.user, sizeof identity.key.user, "%s", user);
  for (uint8_t i = 0; i < 4; i++) {
    identity.key.id[i] = first == 9 ? 9 : (uint8_t)(first + i);
  }
  return identity;
}

/* names: each ended by a 0 byte, the last by two. */
static struct identity of_names(const char *names, size_t len) {
  struct identity identity = {.kind = IDENTITY_CERTIFICATE};
  memcpy(identity.names, names, len);
  return identity;
}

#define CERTIFICATE(names) of_names(names "\0", sizeof(names) + 1)
#define FOUND(users, expected, made)                  \
  do {                                                \
    const struct identity of = made;                  \
    assert_string_equal(found(users, &of), expected); \
  } while (0)

static void test_users_without_sections_are_the_owner(void **state) {
  (void)state;
  struct users *users = with(NULL, 0, false);
  FOUND(users, "", of_uid(SERVER));
  FOUND(users, "", of_uid(0));
  FOUND(users,
        "!this server serves uid 3999999; you are uid 33 (www-data). Ask for [user \xe2\x80\xa6] "
        "uid = www-data",
        of_uid(WEB));
  FOUND(users,
        "!this server serves uid 3999999; you are uid 4000000. Ask for [user \xe2\x80\xa6] "
        "uid = 4000000",
        of_uid(STRANGER));
  users_release(users);
}

static void test_users_names_of_both_uids_are_in_the_sentence(void **state) {
  (void)state;
  struct users *users = users_new(&(struct users_config){.server = 65534});
  FOUND(users,
        "!this server serves uid 65534 (nobody); you are uid 1 (daemon). Ask for [user "
        "\xe2\x80\xa6] uid = daemon",
        of_uid(1));
  users_release(users);
}

static void test_users_uids_are_matched_exactly(void **state) {
  (void)state;
  struct users *users = with(sections, 3, false);
  FOUND(users, "web", of_uid(WEB));
  FOUND(users, "web", of_uid(34));
  FOUND(users, "ops", of_uid(0));
  FOUND(users, "", of_uid(SERVER));
  for (uid_t uid = 35; uid < 60; uid++) {
    const struct identity other = of_uid(uid);
    assert_int_equal(found(users, &other)[0], '!');
  }
  users_release(users);
}

static void test_users_keys_need_a_section_that_says_so(void **state) {
  (void)state;
  struct users *users = with(sections, 3, false);
  FOUND(users, "web", of_key("web", 1));
  FOUND(users, "web", of_key("web", 5));
  FOUND(users, "!the key of web is not in the server's key file", of_key("web", 2));
  FOUND(users, "!the key of ops is not in the server's key file", of_key("ops", 1));
  FOUND(users,
        "!this server does not admit dashboard by a key. Ask for [user dashboard] "
        "key = yes",
        of_key("dashboard", 9));
  users_release(users);
}

static void test_users_of_keys_may_do_everything_without_sections(void **state) {
  (void)state;
  struct users *users = with(NULL, 0, false);
  FOUND(users, "web", of_key("web", 5));
  FOUND(users, "dashboard", of_key("dashboard", 9));
  FOUND(users, "!the key of web is not in the server's key file", of_key("web", 9));
  const struct users_settings *settings = users_settings(users);
  assert_int_equal(settings->count, 2);
  for (size_t i = 0; i < 2; i++) {
    assert_true(settings->users[i].is_admin);
    assert_int_equal(settings->users[i].rights_count, 1);
    assert_int_equal(settings->users[i].rights[0].prefix.len, 0);
    assert_int_equal(settings->users[i].rights[0].access,
                     ACCESS_READ | ACCESS_WRITE | ACCESS_CREATE);
  }
  users_release(users);
}

static void test_users_certificates_are_matched_by_kind_and_name(void **state) {
  (void)state;
  struct users *users = with(sections, 3, true);
  FOUND(users, "web", CERTIFICATE("cn:web"));
  FOUND(users, "web", CERTIFICATE("cn:other\0dns:web.prod"));
  FOUND(users, "dashboard", CERTIFICATE("cn:x\0uri:spiffe://cluster/ns/prod/sa/dash"));
  static const char *const others[] = {
      "dns:web", "cn:Web",      "cn:web.prod", "cn:dns:web.prod", "dns:web.prod.example",
      "cn:we",   "cn:anonymous"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    struct identity other = of_names(others[i], strlen(others[i]) + 1);
    assert_int_equal(found(users, &other)[0], '!');
  }
  FOUND(users,
        "!your certificate is valid, but of no user of this server. Ask for [user \xe2\x80\xa6] "
        "certificate = "
        "cn:worker",
        CERTIFICATE("cn:worker\0dns:x"));
  FOUND(users,
        "!your certificate is valid, but of no user of this server. Ask for [user \xe2\x80\xa6] "
        "certificate = cn:a??b??",
        CERTIFICATE("cn:a\"\nb\xc3\x1b"));
  users_release(users);
}

static void test_users_nobody_is_refused_unless_a_section_or_the_option_admits(void **state) {
  (void)state;
  const struct identity none = {.kind = IDENTITY_NONE};
  struct users *users = with(sections, 3, false);
  FOUND(
      users,
      "!this server does not know who you are. Come over tls+tcp:// with a key (without client_ca "
      "the server asks for no certificate), or ask for [user anonymous]",
      none);
  users_release(users);
  users = users_new(&(struct users_config){.server = SERVER, .asks_for_certificates = true});
  FOUND(users,
        "!this server does not know who you are. Come over tls+tcp:// with a key or a certificate, "
        "or ask for [user anonymous]",
        none);
  users_release(users);
  users = with(sections, 3, true);
  FOUND(users, "", none);
  FOUND(users, "", of_uid(STRANGER));
  users_release(users);
  for (int is_open = 0; is_open <= 1; is_open++) {
    users = with(&anonymous, 1, is_open != 0);
    FOUND(users, "anonymous", none);
    const struct identity stranger = of_uid(STRANGER);
    assert_int_equal(found(users, &stranger)[0], is_open != 0 ? 'a' : '!');
    users_release(users);
  }
}

static void test_users_settings_are_copies(void **state) {
  (void)state;
  char prefix[] = "jobs.", name[] = "web";
  struct user_right right = {.prefix = bytes_of(prefix, 5), .access = ACCESS_WRITE};
  struct user_section section = {.settings = {.name = bytes_of(name, 3),
                                              .rights = &right,
                                              .rights_count = 1,
                                              .limits = {.sessions = 3}}};
  struct users *users = with(&section, 1, false);
  struct users *shared = users_share(users);
  memset(prefix, 'x', 5), memset(name, 'x', 3), memset(&right, 0, sizeof right);
  users_release(users);
  const struct user_settings *settings = users_settings(shared)->users;
  assert_true(bytes_equal(settings->name, bytes_of_text("web")));
  assert_true(bytes_equal(settings->rights[0].prefix, bytes_of_text("jobs.")));
  assert_int_equal(settings->rights[0].access, ACCESS_WRITE);
  assert_int_equal(settings->limits.sessions, 3);
  users_release(shared);
}

static void test_users_identities_are_cut_to_what_they_use(void **state) {
  (void)state;
  const struct identity every[] = {of_uid(1),
                                   of_key("web", 5),
                                   CERTIFICATE("cn:web\0dns:x"),
                                   CERTIFICATE(""),
                                   {.kind = IDENTITY_NONE}};
  struct users *users = with(sections, 3, false);
  for (size_t i = 0; i < sizeof every / sizeof *every; i++) {
    size_t bytes = identity_bytes(&every[i]);
    struct identity *kept = malloc(bytes);
    assert_non_null(kept);
    assert_true(bytes < 100);
    memcpy(kept, &every[i], bytes);
    char whole[TEXT_BYTES + USERS_SENTENCE_BYTES];
    snprintf(whole, sizeof whole, "%s", found(users, &every[i]));
    assert_string_equal(found(users, kept), whole);
    free(kept);
  }
  users_release(users);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_users_without_sections_are_the_owner),
      cmocka_unit_test(test_users_names_of_both_uids_are_in_the_sentence),
      cmocka_unit_test(test_users_uids_are_matched_exactly),
      cmocka_unit_test(test_users_keys_need_a_section_that_says_so),
      cmocka_unit_test(test_users_of_keys_may_do_everything_without_sections),
      cmocka_unit_test(test_users_certificates_are_matched_by_kind_and_name),
      cmocka_unit_test(test_users_nobody_is_refused_unless_a_section_or_the_option_admits),
      cmocka_unit_test(test_users_settings_are_copies),
      cmocka_unit_test(test_users_identities_are_cut_to_what_they_use),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
