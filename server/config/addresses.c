#include "server/config/addresses.h"

#include "proto/base/socket_path.h"
#include "server/config/values.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SYSTEM_DIRECTORY "/run/holdfast"
#define TCP_DEFAULT_URL "tcp://127.0.0.1:4653"
#define TCP_SCHEME "tcp://"
#define TLS_SCHEME "tls+tcp://"
#define HOST_BYTES_MAX 256
#define URL_BYTES 4112 /* of any path there is */

static bool begins(const char *text, const char *start) {
  return strncmp(text, start, strlen(start)) == 0;
}

/* ----------------------------------------------------------------------------------- reach */

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

static enum address_reach reach_of_host(const char *host, const char *port,
                                        char error[ADDRESS_ERROR_BYTES]) {
  if (host[0] == '\0' || strcmp(host, "*") == 0) {
    return ADDRESS_OPEN; /* every address of the machine */
  }
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  struct addrinfo *found;
  int rc = getaddrinfo(host, port, &hints, &found);
  if (rc != 0) {
    snprintf(error, ADDRESS_ERROR_BYTES, "unknown host %s (%s)", host, gai_strerror(rc));
    return ADDRESS_BAD;
  }
  bool local = true;
  for (const struct addrinfo *each = found; each != NULL; each = each->ai_next) {
    local = local && is_loopback(each->ai_addr);
  }
  freeaddrinfo(found);
  return local ? ADDRESS_LOCAL : ADDRESS_OPEN;
}

/* Whether a socket can have that path; else error says how long it is and may be. */
static enum address_reach reach_of_path(const char *path, char error[ADDRESS_ERROR_BYTES]) {
  bool fits = strlen(path) < SOCKET_PATH_BYTES_MAX;
  if (!fits) {
    snprintf(error, ADDRESS_ERROR_BYTES,
             "a socket's path may have %d bytes, and this one has %zu; choose a shorter one",
             SOCKET_PATH_BYTES_MAX - 1, strlen(path));
  }
  return fits ? ADDRESS_LOCAL : ADDRESS_BAD;
}

enum address_reach address_reach(const char *url, char error[ADDRESS_ERROR_BYTES]) {
  char host[HOST_BYTES_MAX];
  const char *port;
  const char *path = socket_path_of(url);
  if (path != NULL && path[0] == '/' && path[1] != '\0') {
    return reach_of_path(path, error);
  }
  if (begins(url, TCP_SCHEME) && split_host(url + strlen(TCP_SCHEME), host, &port)) {
    return reach_of_host(host, port, error);
  }
  if (begins(url, TLS_SCHEME) && split_host(url + strlen(TLS_SCHEME), host, &port)) {
    return reach_of_host(host, port, error) == ADDRESS_BAD ? ADDRESS_BAD : ADDRESS_ENCRYPTED;
  }
  snprintf(error, ADDRESS_ERROR_BYTES,
           "not an address; use tcp://HOST:PORT, tls+tcp://HOST:PORT or ipc:///PATH");
  return ADDRESS_BAD;
}

const char *address_absolute(struct arena *arena, const char *url) {
  char absolute[URL_BYTES], directory[PATH_MAX];
  const char *path = socket_path_of(url);
  if (path != NULL && *path != '/' && *path != '\0' &&
      getcwd(directory, sizeof directory) != NULL) {
    int len = snprintf(absolute, sizeof absolute, IPC_SCHEME "%s/%s", directory, path);
    url = len > 0 && (size_t)len < sizeof absolute ? absolute : url;
  }
  return value_copy(arena, url);
}

/* -------------------------------------------------------------------------------- defaults */

/* Its rules are those of the XDG Base Directory Specification: what is relative is ignored. NULL:
 * no socket can be there; settings->warning says why. */
static const char *runtime_directory(struct settings *settings) {
  const char *runtime = getenv("XDG_RUNTIME_DIR");
  if (access(SYSTEM_DIRECTORY, W_OK) == 0) {
    return SYSTEM_DIRECTORY;
  }
  if (runtime == NULL || *runtime == '\0') {
    settings->warning = "neither /run/holdfast can be written to nor is XDG_RUNTIME_DIR set";
  } else if (*runtime != '/') {
    settings->warning = "XDG_RUNTIME_DIR is a relative path";
  } else if (strlen(runtime) + sizeof "/holdfast.sock" > SOCKET_PATH_BYTES_MAX) {
    settings->warning =
        "XDG_RUNTIME_DIR is too long for the path of a socket, of 107 bytes at most";
  } else if (access(runtime, W_OK) != 0) {
    settings->warning = "XDG_RUNTIME_DIR can't be written to";
  } else {
    return runtime;
  }
  return NULL;
}

bool address_defaults(struct arena *arena, struct settings *settings) {
  char url[SOCKET_PATH_BYTES_MAX + sizeof IPC_SCHEME];
  const char *directory = runtime_directory(settings);
  settings->listen[settings->listen_count++] = TCP_DEFAULT_URL;
  if (directory == NULL) {
    return true;
  }
  snprintf(url, sizeof url, IPC_SCHEME "%s/holdfast.sock", directory);
  const char *copied = value_copy(arena, url);
  settings->listen[settings->listen_count++] = copied;
  return copied != NULL;
}
