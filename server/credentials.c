#include "server/credentials.h"

#include "proto/base/log.h"
#include "server/users/users.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

_Static_assert(CONFIG_ERROR_BYTES >= TLS_ERROR_BYTES, "an error of the files is one of these");
_Static_assert(KEY_USER_BYTES_MAX == USER_NAME_BYTES_MAX, "a key's user is a user");

static struct users *make_users(const struct settings *settings, const struct keys *keys,
                                bool is_open) {
  struct user_key *known = calloc(keys->count + 1, sizeof *known);
  if (known == NULL) {
    return NULL;
  }
  for (size_t i = 0; i < keys->count; i++) {
    memcpy(known[i].user, keys->items[i].user, sizeof known[i].user);
    memcpy(known[i].id, keys->items[i].id, sizeof known[i].id);
  }
  struct users *users =
      users_new(&(struct users_config){.sections = settings->users,
                                       .sections_count = settings->users_count,
                                       .keys = known,
                                       .keys_count = keys->count,
                                       .server = geteuid(),
                                       .is_open = is_open,
                                       .asks_for_certificates = *settings->tls.client_ca != '\0'});
  free(known);
  return users;
}

/* The files are read once, so that the users and the handshakes have the same keys. */
bool credentials_load(struct credentials *credentials, const struct settings *settings,
                      bool is_open, char error[CONFIG_ERROR_BYTES]) {
  const struct tls_settings *tls = &settings->tls;
  static const struct keys none;
  *credentials = (struct credentials){0};
  if (*tls->key_file != '\0' || *tls->certificate != '\0') {
    credentials->tls = tls_context_new_server(tls, error);
    if (credentials->tls == NULL) {
      return false;
    }
  }
  const struct keys *keys = credentials->tls != NULL ? tls_context_keys(credentials->tls) : &none;
  credentials->users = make_users(settings, keys, is_open);
  if (credentials->users == NULL) {
    snprintf(error, CONFIG_ERROR_BYTES, "out of memory");
    tls_context_release(credentials->tls);
  }
  return credentials->users != NULL;
}

void credentials_warn(const struct credentials *credentials, const struct settings *settings) {
  time_t expiry = credentials->tls != NULL ? (time_t)tls_context_expiry(credentials->tls) : 0;
  struct tm at;
  char day[16];
  if (expiry != 0 && expiry < time(NULL) && gmtime_r(&expiry, &at) != NULL &&
      strftime(day, sizeof day, "%F", &at) > 0) {
    log_line(LOG_WARN, "certificate expired on=%s file=%s: clients will refuse it", day,
             settings->tls.certificate);
  }
}

void credentials_release(struct credentials *credentials) {
  users_release(credentials->users);
  tls_context_release(credentials->tls);
}
