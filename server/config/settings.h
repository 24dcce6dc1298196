/* The server's settings, merged from all places where they can be set.
 *
 * layer   config; read by server
 * memory  texts are borrowed from the config that made them
 */
#ifndef HF_CONFIG_SETTINGS_H
#define HF_CONFIG_SETTINGS_H

#include "proto/base/log.h"
#include "proto/tls/settings.h"
#include "server/journal/settings.h"
#include "server/users/users.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SETTINGS_LISTEN_MAX 16
#define CONFIG_ERROR_BYTES 1024
#define CONFIG_EXIT_USAGE 2

enum config_task {
  CONFIG_RUN,
  CONFIG_CHECK,   /* --check-config */
  CONFIG_PRINT,   /* --print-config */
  CONFIG_BACKUP,  /* --backup FILE */
  CONFIG_RESTORE, /* --restore FILE */
};

struct settings {
  const char *listen[SETTINGS_LISTEN_MAX]; /* urls; relative paths of sockets are made absolute */
  size_t listen_count;
  const char *ports_file; /* NULL: none */
  size_t memory_bytes_max;
  enum log_level log_level;
  pid_t exit_with; /* the process this server ends with; 0: none */
  bool insecure_no_auth;
  struct tls_settings tls;
  struct data_settings data;
  struct user_section *users;
  size_t users_count;
  const char *warning; /* why there is no ipc address by default; NULL: there is, or was no need */
};

#endif
