/* The command line of holdfastd.
 *
 * layer   server
 * memory  texts are borrowed from argv or live in the struct
 */
#ifndef HF_SERVER_OPTIONS_H
#define HF_SERVER_OPTIONS_H

#include "proto/base/log.h"
#include "proto/tls/settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define OPTIONS_LISTEN_MAX 16
#define OPTIONS_ERROR_BYTES 320
#define OPTIONS_EXIT_USAGE 2
#define OPTIONS_URL_BYTES 4112 /* of any path there is */

struct options {
  const char *listen[OPTIONS_LISTEN_MAX]; /* urls */
  size_t listen_count;
  const char *ports_file; /* NULL: none */
  size_t memory_bytes_max;
  enum log_level log_level;
  pid_t exit_with; /* the process this server ends with; 0: none */
  bool insecure_no_auth;
  struct tls_settings tls;
  char default_ipc_url[OPTIONS_URL_BYTES]; /* listen may point here, and into the next */
  char absolute[OPTIONS_LISTEN_MAX][OPTIONS_URL_BYTES];
  const char *warning; /* why there is no ipc address by default; NULL: there is, or was no need */
  char error[OPTIONS_ERROR_BYTES];
};

/* Reads the command line, fills in defaults and checks the whole. --help, --version and unknown
 * options end the process, the last with OPTIONS_EXIT_USAGE.
 * false: error is a sentence that says what to do. */
bool options_parse(struct options *options, int argc, char **argv);
/* "512M" and the like: digits, then nothing, K, M or G; not 0. */
bool options_read_size(const char *text, size_t *size);
/* Whether only processes of this machine can reach the address, or only those that show who they are:
 * ipc, tls+tcp, or every address the host name stands for is a loopback one.
 * out  error  set when it is no address at all: false */
bool options_is_local(const char *url, char error[OPTIONS_ERROR_BYTES]);

#endif
