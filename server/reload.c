#include "server/reload.h"

#include "server/credentials.h"
#include "server/users/users.h"

#include <stdio.h>
#include <string.h>

static void log_refused(const char *error) {
  log_line(LOG_ERROR, "reload refused, old settings stay: %s", error);
}

static bool has_encrypted_address(const struct settings *settings) {
  size_t idx = 0;
  while (idx < settings->listen_count && strncmp(settings->listen[idx], "tls+", 4) != 0) {
    idx++;
  }
  return idx < settings->listen_count;
}

/* What is right by itself, but not for a server that runs. NULL: nothing. */
static const char *refusal(const struct reload *reload, const struct settings *settings) {
  const struct settings *old = config_settings(reload->config);
  bool has_keys = *settings->tls.key_file != '\0';
  if (old->users_count > 0 && settings->users_count == 0 && has_keys) {
    return "no [user NAME] is left, so that every key would have all rights; restart the server if "
           "that is wanted";
  }
  if (!has_keys && *settings->tls.certificate == '\0' &&
      has_encrypted_address(config_settings(reload->started))) {
    return "an encrypted address needs --key-file or tls.certificate as long as the server listens "
           "on it: until a restart";
  }
  return NULL;
}

/* Keys and certificates first, so that no handshake begins with what is revoked once the connections
 * have been looked through; then the engine's users: a connection never finds one that it does not
 * know. */
static bool use_credentials(struct reload *reload, const struct credentials *credentials,
                            bool is_verified_alike) {
  if (reload->gate != NULL && credentials->tls != NULL) {
    tls_gate_use(reload->gate, tls_context_share(credentials->tls));
  }
  bool is_used = dispatch_set_users(reload->dispatch, users_settings(credentials->users));
  if (is_used) {
    connections_set_users(reload->connections, credentials->users, is_verified_alike);
  }
  return is_used;
}

static bool use(struct reload *reload, const struct config *config,
                char error[CONFIG_ERROR_BYTES]) {
  struct credentials credentials;
  const struct settings *settings = config_settings(config);
  bool is_open = config_settings(reload->started)->insecure_no_auth; /* changes by a restart */
  const char *why = refusal(reload, settings);
  if (why != NULL) {
    snprintf(error, CONFIG_ERROR_BYTES, "%s", why);
    return false;
  }
  if (!credentials_load(&credentials, settings, is_open, error)) {
    return false;
  }
  bool is_used =
      use_credentials(reload, &credentials, config_verifies_alike(reload->config, config));
  if (is_used) {
    log_set_level(settings->log_level);
    credentials_warn(&credentials, settings);
  } else {
    snprintf(error, CONFIG_ERROR_BYTES, "out of memory");
  }
  credentials_release(&credentials);
  return is_used;
}

static void log_restarts(const struct config *old, const struct config *config) {
  char names[CONFIG_ERROR_BYTES];
  config_list_restarts(old, config, names);
  if (names[0] != '\0') {
    log_line(LOG_WARN, "needs a restart: %s", names);
  }
}

static void release(struct reload *reload) {
  if (reload->config != reload->started) {
    config_free(reload->config);
  }
}

void reload_now(struct reload *reload) {
  char error[CONFIG_ERROR_BYTES];
  struct config *config = config_load(reload->argc, reload->argv);
  if (config == NULL) {
    log_refused("out of memory");
    return;
  }
  config_free(reload->refused);
  reload->refused = config;
  if (config_error(config) != NULL) {
    log_refused(config_error(config));
  } else if (!use(reload, config, error)) {
    log_refused(error);
  } else {
    log_line(LOG_INFO, "reloaded");
    log_restarts(reload->started, config);
    release(reload);
    reload->config = config;
    reload->refused = NULL;
  }
}

void reload_if_changed(struct reload *reload) {
  if (config_has_changed(reload->refused != NULL ? reload->refused : reload->config)) {
    reload_now(reload);
  }
}

void reload_deinit(struct reload *reload) {
  release(reload);
  config_free(reload->started);
  config_free(reload->refused);
}
