#include "server/config/table.h"

#include "server/config/settings.h"
#include "server/config/spelling.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define IN(member) offsetof(struct settings, member)
#define LIMIT(member) offsetof(struct user_section, settings.limits.member)

/* listen is the first. In the order of --help, of --print-config and of the sample. */
const struct setting settings_table[] = {
    {"server", "listen", "listen", &value_addresses, 0, "", false,
     "tcp://HOST:PORT, tls+tcp://HOST:PORT or ipc:///PATH; may be repeated"},
    {"server", "ports_file", "ports-file", &value_path, IN(ports_file), "", false,
     "write the addresses really bound there, one a line"},
    {"server", "memory_max", "memory-max", &value_memory, IN(memory_bytes_max), "8G", false,
     "of all values, e.g. 512M or 2G (default 8G; 1M at least)"},
    {"server", "insecure_no_auth", "insecure-no-auth", &value_yes, IN(insecure_no_auth), "no",
     false, "serve other hosts, and other users of this one, although nobody is asked who he is"},
    {"log", "level", "log-level", &value_log_level, IN(log_level), "info", true,
     "error, warn, info (default) or debug"},
    {"data", "directory", "data", &value_path, IN(data.directory), "", false,
     "keep the state in that directory, so that a restart loses nothing; without it the state is "
     "in "
     "memory only"},
    {"data", "fsync", "fsync", &value_fsync, IN(data.fsync), "always", false,
     "always (default): what is acknowledged is on the disk; \"interval MS\": what is younger than "
     "that may be lost; never: only the kernel decides"},
    {"data", "snapshot_min", "snapshot-min", &value_size, IN(data.snapshot_bytes_min), "64M", false,
     "the least growth of the journal between two snapshots (default 64M)"},
    {NULL, "accept_loss_after", "accept-loss-after", &value_count, IN(data.accept_loss_after), "",
     false,
     "of a damaged --data: go on with what is before that INDEX, and drop the rest for ever"},
    {NULL, "exit_with", "exit-with", &value_process, IN(exit_with), "", false,
     "stop when that process ends; make directories of ipc sockets that end with XXXXXX, remove "
     "those that are empty"},
    {"keys", "file", "key-file", &value_path, IN(tls.key_file), "", true,
     "keys of users, a line of \"holdfast key new USER\" each"},
    {"tls", "certificate", "tls-certificate", &value_path, IN(tls.certificate), "", true,
     "of the server, for clients that have no key"},
    {"tls", "private_key", "tls-private-key", &value_path, IN(tls.private_key), "", true,
     "of the certificate (default: in the same file)"},
    {"tls", "client_ca", "tls-client-ca", &value_path, IN(tls.client_ca), "", true,
     "who signs certificates of clients"},
    {"tls", "crl", "tls-crl", &value_path, IN(tls.crl), "", true, "revoked ones"},
    {"tls", "min_version", "tls-min-version", &value_tls_version, IN(tls.min_version), "1.2", true,
     "1.2 (default) or 1.3"},
    {TABLE_USER, "rights", NULL, &value_rights, 0, "", true, NULL},
    {TABLE_USER, "key", NULL, &value_yes, offsetof(struct user_section, has_key), "no", true, NULL},
    {TABLE_USER, "uid", NULL, &value_uids, 0, "", true, NULL},
    {TABLE_USER, "certificate", NULL, &value_certificates, 0, "", true, NULL},
    {TABLE_USER, "memory_max", NULL, &value_size, LIMIT(memory_bytes), "", true, NULL},
    {TABLE_USER, "objects_max", NULL, &value_count, LIMIT(objects), "", true, NULL},
    {TABLE_USER, "sessions_max", NULL, &value_count, LIMIT(sessions), "", true, NULL},
    {TABLE_USER, "connections_max", NULL, &value_count, LIMIT(connections), "", true, NULL},
    {TABLE_USER, "waiting_max", NULL, &value_count, LIMIT(waiting), "", true, NULL},
    {TABLE_USER, "requests_per_s", NULL, &value_count, LIMIT(requests_per_s), "", true, NULL},
};
const size_t settings_count = sizeof settings_table / sizeof *settings_table;

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "sizes are read into members of both types");

static bool is_of(const struct setting *setting, const char *section) {
  return setting->section != NULL && strcmp(setting->section, section) == 0;
}

const struct setting *table_find(const char *section, const char *key) {
  for (size_t i = 0; i < settings_count; i++) {
    if (is_of(&settings_table[i], section) && strcmp(settings_table[i].key, key) == 0) {
      return &settings_table[i];
    }
  }
  return NULL;
}

bool table_has_section(const char *section) {
  size_t idx = 0;
  while (idx < settings_count && !is_of(&settings_table[idx], section)) {
    idx++;
  }
  return idx < settings_count;
}

const char *table_nearest(const char *section, const char *key) {
  const char *nearest = NULL;
  unsigned nearest_distance = SPELLING_NEAR + 1;
  for (size_t i = 0; i < settings_count; i++) {
    const struct setting *setting = &settings_table[i];
    if (setting->section == NULL || (key != NULL && !is_of(setting, section))) {
      continue;
    }
    const char *candidate = key != NULL ? setting->key : setting->section;
    unsigned distance = spelling_distance(key != NULL ? key : section, candidate);
    if (distance < nearest_distance) {
      nearest = candidate;
      nearest_distance = distance;
    }
  }
  return nearest;
}

void table_variable(const struct setting *setting, char name[TABLE_VARIABLE_BYTES]) {
  snprintf(name, TABLE_VARIABLE_BYTES, TABLE_VARIABLE_PREFIX "%s", setting->flag);
  for (char *each = name; *each != '\0'; each++) {
    *each = *each == '-' ? '_' : (char)toupper((unsigned char)*each);
  }
}
