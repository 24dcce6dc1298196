#include "server/options.h"

#include "proto/base/socket_path.h"
#include "proto/limits.h"

#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SYSTEM_DIRECTORY "/run/holdfast"
#define TCP_DEFAULT_URL "tcp://127.0.0.1:4653"
#define HOST_BYTES_MAX 256

const char *argp_program_version = "holdfastd " HF_VERSION;

enum {
  KEY_LISTEN = 'l',
  KEY_PORTS_FILE = 0x100,
  KEY_MEMORY_MAX,
  KEY_LOG_LEVEL,
  KEY_EXIT_WITH,
  KEY_NO_AUTH,
  KEY_KEY_FILE,
  KEY_TLS_CERTIFICATE,
  KEY_TLS_PRIVATE_KEY,
  KEY_TLS_CLIENT_CA,
  KEY_TLS_CRL,
  KEY_TLS_MIN_VERSION,
};

static const struct argp_option rows[] = {
    {"listen", KEY_LISTEN, "URL", 0,
     "tls+tcp://HOST:PORT, tcp://HOST:PORT or ipc:///PATH; may be repeated"},
    {"ports-file", KEY_PORTS_FILE, "PATH", 0, "write the addresses really bound there, one a line"},
    {"memory-max", KEY_MEMORY_MAX, "SIZE", 0, "of all values, e.g. 512M or 2G (default 8G)"},
    {"log-level", KEY_LOG_LEVEL, "LEVEL", 0, "error, warn, info (default) or debug"},
    {"exit-with", KEY_EXIT_WITH, "PID", 0,
     "stop when that process ends; make directories of ipc sockets that end with XXXXXX, remove "
     "those that are empty"},
    {"insecure-no-auth", KEY_NO_AUTH, NULL, 0,
     "serve other hosts although nobody is asked who he is"},
    {"key-file", KEY_KEY_FILE, "FILE", 0,
     "tls+tcp: keys of the users that are admitted, from \"holdfast key new USER\""},
    {"tls-certificate", KEY_TLS_CERTIFICATE, "FILE", 0,
     "tls+tcp: the server's certificate, for clients without a key"},
    {"tls-private-key", KEY_TLS_PRIVATE_KEY, "FILE", 0,
     "the certificate's private key (default: in the same file)"},
    {"tls-client-ca", KEY_TLS_CLIENT_CA, "FILE", 0,
     "clients without a key need a certificate of these authorities"},
    {"tls-crl", KEY_TLS_CRL, "FILE", 0, "clients' certificates that were revoked"},
    {"tls-min-version", KEY_TLS_MIN_VERSION, "VERSION", 0, "1.2 (default) or 1.3"},
    {0},
};

static const char doc[] =
    "Holds dicts, lists, queues, pipes, values, arrays and locks for processes on many hosts."
    "\vWithout --listen: tcp://127.0.0.1:4653 and ipc:///run/holdfast/holdfast.sock (or "
    "$XDG_RUNTIME_DIR/holdfast.sock). SIGTERM ends it cleanly.\n\n"
    "Example: holdfastd --listen tcp://127.0.0.1:4653 --memory-max 2G";

/* ---------------------------------------------------------------------------------- values */

bool options_read_size(const char *text, size_t *size) {
  if (text[0] < '0' || text[0] > '9') {
    return false;
  }
  char *end;
  errno = 0;
  unsigned long long number = strtoull(text, &end, 10);
  static const char suffixes[] = "KMG";
  unsigned shift = 0;
  if (*end != '\0') {
    const char *suffix = strchr(suffixes, *end);
    if (suffix == NULL || end[1] != '\0') {
      return false;
    }
    shift = 10 * ((unsigned)(suffix - suffixes) + 1);
  }
  if (errno != 0 || number == 0 || number > (SIZE_MAX >> shift)) {
    return false;
  }
  *size = (size_t)number << shift;
  return true;
}

static bool read_pid(const char *text, pid_t *pid) {
  char *end;
  errno = 0;
  long number = strtol(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number < 1 ||
      number > INT_MAX) {
    return false;
  }
  *pid = (pid_t)number;
  return true;
}

static bool read_log_level(const char *text, enum log_level *level) {
  static const char *const names[] = {"error", "warn", "info", "debug"};
  for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
    if (strcmp(text, names[i]) == 0) {
      *level = (enum log_level)i;
      return true;
    }
  }
  return false;
}

/* Splits "HOST:PORT", "[HOST]:PORT". */
static bool split_host(const char *address, char host[HOST_BYTES_MAX], const char **port) {
  const char *colon = strrchr(address, ':');
  if (colon == NULL || colon[1] == '\0' || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
      strlen(colon + 1) > 5 || atoi(colon + 1) > 65535) {
    return false;
  }
  const char *end = colon;
  if (address[0] == '[') {
    address++;
    end--;
    if (end <= address || *end != ']') {
      return false;
    }
  }
  size_t len = (size_t)(end - address);
  if (len >= HOST_BYTES_MAX) {
    return false;
  }
  memcpy(host, address, len);
  host[len] = '\0';
  *port = colon + 1;
  return true;
}

static bool is_loopback(const struct sockaddr *address) {
  if (address->sa_family == AF_INET) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    return ntohl(in->sin_addr.s_addr) >> 24 == 127;
  }
  const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
  return address->sa_family == AF_INET6 &&
         (IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ||
          (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) && in6->sin6_addr.s6_addr[12] == 127));
}

static bool host_is_local(const char *host, const char *port, const char *url,
                          char error[OPTIONS_ERROR_BYTES]) {
  if (host[0] == '\0' || strcmp(host, "*") == 0) {
    return false; /* every address of the machine */
  }
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  struct addrinfo *found;
  int rc = getaddrinfo(host, port, &hints, &found);
  if (rc != 0) {
    snprintf(error, OPTIONS_ERROR_BYTES, "--listen %s: unknown host %s (%s)", url, host,
             gai_strerror(rc));
    return false;
  }
  bool local = true;
  for (const struct addrinfo *each = found; each != NULL; each = each->ai_next) {
    local = local && is_loopback(each->ai_addr);
  }
  freeaddrinfo(found);
  return local;
}

#define IPC_SCHEME "ipc://"
#define TLS_SCHEME "tls+tcp://"

/* Whether a socket can have that path; else error says how long it is and may be. */
static bool ipc_path_fits(const char *url, char error[OPTIONS_ERROR_BYTES]) {
  size_t len = strlen(url) - strlen(IPC_SCHEME);
  bool fits = len < SOCKET_PATH_BYTES_MAX;
  if (!fits) {
    snprintf(error, OPTIONS_ERROR_BYTES,
             "--listen %.150s: a socket's path may have %d bytes, and this one has %zu; choose a "
             "shorter one",
             url, SOCKET_PATH_BYTES_MAX - 1, len);
  }
  return fits;
}

bool options_is_local(const char *url, char error[OPTIONS_ERROR_BYTES]) {
  error[0] = '\0';
  if (strncmp(url, IPC_SCHEME "/", 7) == 0 && url[7] != '\0') {
    return ipc_path_fits(url, error);
  }
  char host[HOST_BYTES_MAX];
  const char *port;
  if (strncmp(url, TLS_SCHEME, strlen(TLS_SCHEME)) == 0 &&
      split_host(url + strlen(TLS_SCHEME), host, &port)) {
    (void)host_is_local(host, port, url, error);
    return error[0] == '\0'; /* each client has to show who it is */
  }
  if (strncmp(url, "tcp://", 6) == 0 && split_host(url + 6, host, &port)) {
    return host_is_local(host, port, url, error);
  }
  snprintf(error, OPTIONS_ERROR_BYTES,
           "--listen %s: not an address; use tls+tcp://HOST:PORT, tcp://HOST:PORT or ipc:///PATH",
           url);
  return false;
}

/* ---------------------------------------------------------------------------- command line */

static error_t refuse(struct options *options, const char *option, const char *value,
                      const char *advice) {
  snprintf(options->error, sizeof options->error, "%s %s: %s", option, value, advice);
  return EINVAL;
}

/* A relative path is in the directory where the server starts; clients get the absolute path. */
static const char *make_absolute(struct options *options, const char *url) {
  const char *path = url + strlen(IPC_SCHEME);
  char *absolute = options->absolute[options->listen_count];
  char directory[PATH_MAX];
  if (strncmp(url, IPC_SCHEME, strlen(IPC_SCHEME)) != 0 || *path == '/' || *path == '\0' ||
      getcwd(directory, sizeof directory) == NULL) {
    return url;
  }
  int len = snprintf(absolute, OPTIONS_URL_BYTES, IPC_SCHEME "%s/%s", directory, path);
  return len > 0 && len < OPTIONS_URL_BYTES ? absolute : url;
}

/* Whether it is one of these options. */
static bool take_tls_option(int key, const char *value, struct tls_settings *tls) {
  const char **const files[] = {&tls->key_file, &tls->certificate, &tls->private_key,
                                &tls->client_ca, &tls->crl};
  if (key < KEY_KEY_FILE || key > KEY_TLS_CRL) {
    return false;
  }
  *files[key - KEY_KEY_FILE] = value;
  return true;
}

static bool read_version(const char *text, enum tls_version *version) {
  *version = strcmp(text, "1.3") == 0 ? TLS_VERSION_1_3 : TLS_VERSION_1_2;
  return *version == TLS_VERSION_1_3 || strcmp(text, "1.2") == 0;
}

static error_t take_option(int key, char *value, struct argp_state *state) {
  struct options *options = state->input;
  if (take_tls_option(key, value, &options->tls)) {
    return 0;
  }
  switch (key) {
    case KEY_LISTEN:
      if (options->listen_count == OPTIONS_LISTEN_MAX) {
        return refuse(options, "--listen", value, "too many addresses, 16 at most");
      }
      options->listen[options->listen_count++] = make_absolute(options, value);
      return 0;
    case KEY_PORTS_FILE:
      options->ports_file = value;
      return 0;
    case KEY_MEMORY_MAX:
      return options_read_size(value, &options->memory_bytes_max)
                 ? 0
                 : refuse(options, "--memory-max", value, "not a size; write e.g. 512M or 2G");
    case KEY_LOG_LEVEL:
      return read_log_level(value, &options->log_level)
                 ? 0
                 : refuse(options, "--log-level", value, "not one of error, warn, info, debug");
    case KEY_EXIT_WITH:
      return read_pid(value, &options->exit_with)
                 ? 0
                 : refuse(options, "--exit-with", value, "not the number of a process");
    case KEY_TLS_MIN_VERSION:
      return read_version(value, &options->tls.min_version)
                 ? 0
                 : refuse(options, "--tls-min-version", value, "not 1.2 or 1.3");
    case KEY_NO_AUTH:
      options->insecure_no_auth = true;
      return 0;
    case ARGP_KEY_ARG:
      return refuse(options, "argument", value, "not understood; addresses go behind --listen");
    default:
      return ARGP_ERR_UNKNOWN;
  }
}

/* Its rules are those of the XDG Base Directory Specification: what is relative is ignored. NULL:
 * no socket can be there; options->warning says why. */
static const char *runtime_directory(struct options *options) {
  const char *runtime = getenv("XDG_RUNTIME_DIR");
  if (access(SYSTEM_DIRECTORY, W_OK) == 0) {
    return SYSTEM_DIRECTORY;
  }
  if (runtime == NULL || *runtime == '\0') {
    options->warning = "neither /run/holdfast can be written to nor is XDG_RUNTIME_DIR set";
  } else if (*runtime != '/') {
    options->warning = "XDG_RUNTIME_DIR is a relative path";
  } else if (strlen(runtime) + sizeof "/holdfast.sock" > SOCKET_PATH_BYTES_MAX) {
    options->warning = "XDG_RUNTIME_DIR is too long for the path of a socket, of 107 bytes at most";
  } else if (access(runtime, W_OK) != 0) {
    options->warning = "XDG_RUNTIME_DIR can't be written to";
  } else {
    return runtime;
  }
  return NULL;
}

static void listen_on_defaults(struct options *options) {
  options->listen[options->listen_count++] = TCP_DEFAULT_URL;
  const char *directory = runtime_directory(options);
  if (directory == NULL) {
    return;
  }
  int len = snprintf(options->default_ipc_url, sizeof options->default_ipc_url,
                     "ipc://%s/holdfast.sock", directory);
  if (len > 0 && (size_t)len < sizeof options->default_ipc_url) {
    options->listen[options->listen_count++] = options->default_ipc_url;
  }
}

static bool check_addresses(struct options *options) {
  for (size_t i = 0; i < options->listen_count; i++) {
    const char *url = options->listen[i];
    bool local = options_is_local(url, options->error);
    if (options->error[0] != '\0') {
      return false;
    }
    if (!local && !options->insecure_no_auth) {
      refuse(options, "--listen", url,
             "other hosts could reach this address in clear; "
             "use tls+tcp:// and --key-file (make one: holdfast key new USER), or add "
             "--insecure-no-auth if the network is trusted");
      return false;
    }
  }
  return true;
}

bool options_parse(struct options *options, int argc, char **argv) {
  static const struct argp argp = {.options = rows, .parser = take_option, .doc = doc};
  *options = (struct options){
      .memory_bytes_max = HF_MEMORY_BYTES_DEFAULT,
      .log_level = LOG_INFO,
      .tls = {.certificate = "", .private_key = "", .client_ca = "", .crl = "", .key_file = ""}};
  argp_err_exit_status = OPTIONS_EXIT_USAGE;
  if (argp_parse(&argp, argc, argv, 0, NULL, options) != 0) {
    return false;
  }
  if (options->listen_count == 0) {
    listen_on_defaults(options);
  }
  return check_addresses(options);
}
