#include "server/reload.h"

#include "server/credentials.h"
#include "server/users/users.h"

static void log_refused(const char *error) {
  log_line(LOG_ERROR, "reload refused, old settings stay: %s", error);
}

/* Users first: a connection never finds one that the engine does not know. */
static bool use(struct reload *reload, const struct config *config,
                char error[CONFIG_ERROR_BYTES]) {
  struct credentials credentials;
  const struct settings *settings = config_settings(config);
  bool is_open = config_settings(reload->started)->insecure_no_auth; /* changes by a restart */
  if (!credentials_load(&credentials, settings, is_open, error)) {
    return false;
  }
  bool is_used = dispatch_set_users(reload->dispatch, users_settings(credentials.users));
  if (is_used) {
    connections_set_users(reload->connections, credentials.users);
    if (reload->gate != NULL && credentials.tls != NULL) {
      tls_gate_use(reload->gate, tls_context_share(credentials.tls));
    }
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
