#include "server/config/merge.h"

#include "proto/limits.h"
#include "server/config/addresses.h"

#include <stdio.h>
#include <string.h>

static bool out_of_memory(const struct layers *layers) {
  snprintf(layers->error, CONFIG_ERROR_BYTES, "out of memory");
  return false;
}

/* ----------------------------------------------------------------------------------- reading */

static bool read_entry(const struct layers *layers, const struct layer_entry *entry, void *base) {
  const struct setting *setting = entry->setting;
  for (size_t i = 0; i < entry->items_count; i++) {
    if (!setting->type->read(layers->arena, entry->items[i].text, (char *)base + setting->offset)) {
      return layers_refuse(layers, entry, &entry->items[i], setting->type->advice);
    }
  }
  return true;
}

/* The user's section; it is made at its first setting. NULL: out of memory. */
static struct user_section *get_user(const struct layers *layers, struct settings *settings,
                                     const char *name) {
  struct bytes wanted = bytes_of_text(name);
  for (size_t i = 0; i < settings->users_count; i++) {
    if (bytes_equal(settings->users[i].settings.name, wanted)) {
      return &settings->users[i];
    }
  }
  const struct user_section section = {.settings = {.name = wanted}};
  bool pushed =
      value_push(layers->arena, &settings->users, &settings->users_count, &section, sizeof section);
  return pushed ? &settings->users[settings->users_count - 1] : NULL;
}

static bool read_entries(const struct layers *layers, struct settings *settings) {
  bool is_read = true;
  for (size_t i = 0; is_read && i < layers->count; i++) {
    const struct layer_entry *entry = &layers->entries[i];
    void *base = entry->user != NULL ? (void *)get_user(layers, settings, entry->user) : settings;
    is_read = base != NULL ? read_entry(layers, entry, base) : out_of_memory(layers);
  }
  return is_read;
}

/* -------------------------------------------------------------------------------- addresses */

static bool is_anonymous(const struct user_section *user) {
  return bytes_equal(user->settings.name, bytes_of_text(USERS_ANONYMOUS));
}

/* Whether an encrypted address admits anybody; check_users has held. Where certificates are asked for, a
 * client with neither a certificate nor a key fails in the handshake. */
static bool admits_somebody(const struct settings *settings) {
  const struct tls_settings *tls = &settings->tls;
  bool needs_nothing = *tls->certificate != '\0' && *tls->client_ca == '\0';
  bool admits = (settings->users_count == 0 && *tls->key_file != '\0') ||
                (needs_nothing && settings->insecure_no_auth);
  for (size_t i = 0; i < settings->users_count; i++) {
    const struct user_section *user = &settings->users[i];
    admits |=
        user->has_key || user->certificates_count > 0 || (needs_nothing && is_anonymous(user));
  }
  return admits;
}

static bool check_encrypted(const struct layers *layers, const struct settings *settings,
                            const struct layer_entry *entry, const struct layer_item *item) {
  if (*settings->tls.key_file == '\0' && *settings->tls.certificate == '\0') {
    return layers_refuse(layers, entry, item,
                         "needs --key-file FILE (holdfast key new USER > FILE) or tls.certificate");
  }
  return admits_somebody(settings) ||
         layers_refuse(layers, entry, item,
                       "nobody could come to it. It needs --key-file (if there are [user NAME] "
                       "sections: and key = yes in one), or tls.client_ca and a [user NAME] with a "
                       "certificate, or, without tls.client_ca, [user " USERS_ANONYMOUS
                       "] or --insecure-no-auth");
}

static bool check_address(const struct layers *layers, const struct settings *settings,
                          const char *url, const struct layer_entry *entry,
                          const struct layer_item *item) {
  char error[ADDRESS_ERROR_BYTES];
  switch (address_reach(url, error)) {
    case ADDRESS_BAD:
      return layers_refuse(layers, entry, item, error);
    case ADDRESS_OPEN:
      return settings->insecure_no_auth ||
             layers_refuse(layers, entry, item,
                           "other hosts could reach this address in clear. Use tls+tcp:// and "
                           "--key-file (make "
                           "one: holdfast key new USER), or add --insecure-no-auth if the network "
                           "is trusted");
    case ADDRESS_ENCRYPTED:
      return check_encrypted(layers, settings, entry, item);
    case ADDRESS_LOCAL:
      break;
  }
  return true;
}

static bool check_addresses(const struct layers *layers, struct settings *settings) {
  const struct layer_entry *entry = layers_find(layers, &settings_table[0], NULL);
  for (size_t i = 0; i < settings->listen_count; i++) {
    const char *url = address_absolute(layers->arena, settings->listen[i]);
    settings->listen[i] = url;
    if (url == NULL) {
      return out_of_memory(layers);
    }
    if (!check_address(layers, settings, url, entry, &entry->items[i])) {
      return false;
    }
  }
  return settings->listen_count > 0 || address_defaults(layers->arena, settings) ||
         out_of_memory(layers);
}

/* ------------------------------------------------------------------------------------- users */

/* Where the item of the user's setting is, with what is wrong. key: NULL is any. Answers false. */
static bool refuse_user(const struct layers *layers, struct bytes user, const char *key,
                        size_t item, const char *advice) {
  for (size_t i = 0; i < layers->count; i++) {
    const struct layer_entry *entry = &layers->entries[i];
    if (entry->user != NULL && bytes_equal(bytes_of_text(entry->user), user) &&
        (key == NULL || strcmp(entry->setting->key, key) == 0)) {
      const struct origin *origin =
          item < entry->items_count ? &entry->items[item].origin : &entry->origin;
      snprintf(layers->error, CONFIG_ERROR_BYTES, "%.700s:%u: [user %s]: %s", origin->name,
               origin->line, entry->user, advice);
      break;
    }
  }
  return false;
}

static bool has_way_in(const struct user_section *user) {
  return user->has_key || user->uids_count > 0 || user->certificates_count > 0 ||
         is_anonymous(user);
}

/* item: which of the user's uids is the other's too. */
static bool shares_uid(const struct user_section *user, const struct user_section *other,
                       size_t *item) {
  for (*item = 0; *item < user->uids_count; ++*item) {
    for (size_t j = 0; j < other->uids_count; j++) {
      if (user->uids[*item] == other->uids[j]) {
        return true;
      }
    }
  }
  return false;
}

static bool shares_certificate(const struct user_section *user, const struct user_section *other,
                               size_t *item) {
  for (*item = 0; *item < user->certificates_count; ++*item) {
    for (size_t j = 0; j < other->certificates_count; j++) {
      if (strcmp(user->certificates[*item], other->certificates[j]) == 0) {
        return true;
      }
    }
  }
  return false;
}

static bool check_others(const struct layers *layers, const struct settings *settings, size_t idx) {
  const struct user_section *user = &settings->users[idx];
  char advice[128];
  for (size_t i = 0; i < idx; i++) {
    const struct user_section *other = &settings->users[i];
    size_t item;
    bool has_uid = shares_uid(user, other, &item);
    if (has_uid || shares_certificate(user, other, &item)) {
      snprintf(advice, sizeof advice, "%s of it is [user %.*s]'s too; a peer is one user",
               has_uid ? "a uid" : "a certificate", (int)other->settings.name.len,
               (const char *)other->settings.name.data);
      return refuse_user(layers, user->settings.name, has_uid ? "uid" : "certificate", item,
                         advice);
    }
  }
  return true;
}

static bool check_way_in(const struct layers *layers, const struct tls_settings *tls,
                         const struct user_section *user) {
  if (!has_way_in(user)) {
    return refuse_user(layers, user->settings.name, NULL, 0,
                       "nobody can be it: it needs key = yes, a uid or a certificate");
  }
  if (user->has_key && *tls->key_file == '\0') {
    return refuse_user(layers, user->settings.name, "key", 0,
                       "there are no keys: set file in [keys], or --key-file");
  }
  return user->certificates_count == 0 || *tls->client_ca != '\0' ||
         refuse_user(layers, user->settings.name, "certificate", 0,
                     "no client is asked for a certificate: set client_ca in [tls], or "
                     "--tls-client-ca");
}

static bool check_users(const struct layers *layers, const struct settings *settings) {
  bool is_right = true;
  for (size_t i = 0; is_right && i < settings->users_count; i++) {
    is_right = check_way_in(layers, &settings->tls, &settings->users[i]) &&
               check_others(layers, settings, i);
  }
  return is_right;
}

/* --------------------------------------------------------------------------------------- tls */

static bool check_tls(const struct layers *layers, const struct tls_settings *tls) {
  const char *missing = NULL;
  if (*tls->private_key != '\0' && *tls->certificate == '\0') {
    missing = "tls.private_key needs tls.certificate beside it";
  } else if (*tls->crl != '\0' && *tls->client_ca == '\0') {
    missing = "tls.crl needs tls.client_ca beside it";
  } else if (*tls->client_ca != '\0' && *tls->certificate == '\0') {
    missing = "tls.client_ca needs tls.certificate beside it";
  }
  if (missing != NULL) {
    snprintf(layers->error, CONFIG_ERROR_BYTES, "%s", missing);
  }
  return missing == NULL;
}

/* -------------------------------------------------------------------------------------- data */

static bool check_data(const struct layers *layers, const struct data_settings *data) {
  bool is_alone = *data->directory == '\0' && data->accept_loss_after != 0;
  if (is_alone) {
    snprintf(layers->error, CONFIG_ERROR_BYTES, "--accept-loss-after needs --data beside it");
  }
  return !is_alone;
}

bool merge_layers(const struct layers *layers, struct settings *settings) {
  *settings = (struct settings){
      .memory_bytes_max = HF_MEMORY_BYTES_DEFAULT,
      .log_level = LOG_INFO,
      .data = {.directory = ""},
      .tls = {.certificate = "", .private_key = "", .client_ca = "", .crl = "", .key_file = ""},
  };
  return read_entries(layers, settings) && check_tls(layers, &settings->tls) &&
         check_data(layers, &settings->data) && check_users(layers, settings) &&
         check_addresses(layers, settings);
}
