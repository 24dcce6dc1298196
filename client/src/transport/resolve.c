#include "client/src/transport/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/src/transport/dial_error.h"
#include "proto/base/clock.h"

#define HOSTS_PATH "/etc/hosts"
#define HOSTS_LINE_BYTES_MAX 1024
#define STACK_BYTES (512u << 10)

/* ---------------------------------------------------------------- without the resolver */

static void add_address(struct addresses *found, const void *socket, socklen_t len) {
  if (found->count < RESOLVE_ADDRESSES_MAX && len <= sizeof found->items[0].socket) {
    struct address *item = &found->items[found->count++];
    memcpy(&item->socket, socket, len);
    item->len = len;
  }
}

/* Adds the address if the text is a numeric one. */
static bool add_number(struct addresses *found, const char *text, const char *port) {
  in_port_t number = htons((uint16_t)strtoul(port, NULL, 10));
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = number};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = number};
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    add_address(found, &v4, sizeof v4);
    return true;
  }
  if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
    add_address(found, &v6, sizeof v6);
    return true;
  }
  return false;
}

/* ADDRESS NAME NAME ..., and a comment. */
static void read_hosts_line(struct addresses *found, char *line, const char *host,
                            const char *port) {
  char *rest = NULL;
  line[strcspn(line, "#\n")] = '\0';
  const char *number = strtok_r(line, " \t", &rest);
  const char *name = number == NULL ? NULL : strtok_r(NULL, " \t", &rest);
  while (name != NULL && strcasecmp(name, host) != 0) {
    name = strtok_r(NULL, " \t", &rest);
  }
  if (name != NULL) {
    (void)add_number(found, number, port);
  }
}

static void read_hosts(struct addresses *found, const char *host, const char *port) {
  char line[HOSTS_LINE_BYTES_MAX];
  FILE *file = fopen(HOSTS_PATH, "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    read_hosts_line(found, line, host, port);
  }
  if (file != NULL) {
    fclose(file);
  }
}

static bool find_here(struct addresses *found, const char *host, const char *port) {
  found->count = 0;
  if (!add_number(found, host, port)) {
    read_hosts(found, host, port);
  }
  if (found->count == 0 && strcasecmp(host, "localhost") == 0) {
    (void)add_number(found, "127.0.0.1", port);
    (void)add_number(found, "::1", port);
  }
  return found->count > 0;
}

/* ---------------------------------------------------------------- searches */

/* One call of getaddrinfo, counted: by its thread, and by each waiting connection. */
struct search {
  struct search *next; /* in `searches`, while the thread runs */
  unsigned references;
  char host[RESOLVE_HOST_BYTES_MAX], port[RESOLVE_PORT_BYTES_MAX];
  int done_fd; /* readable once error and found are set; never read */
  int error;   /* as of resolve_step */
  struct addresses found;
};

static pthread_mutex_t searches_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct search *searches; /* running searches */
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

/* Mutex held. */
static void release(struct search *search) {
  if (--search->references == 0) {
    close(search->done_fd);
    free(search);
  }
}

static void before_fork(void) {
  pthread_mutex_lock(&searches_mutex);
}

static void after_fork_in_parent(void) {
  pthread_mutex_unlock(&searches_mutex);
}

/* In the child the threads do not exist: drops their references. */
static void after_fork_in_child(void) {
  while (searches != NULL) {
    struct search *search = searches;
    searches = search->next;
    release(search);
  }
  pthread_mutex_unlock(&searches_mutex);
}

static void watch_forks(void) {
  (void)pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void resolve_watch_forks(void) {
  pthread_once(&fork_once, watch_forks);
}

static int error_of(int gai_error) {
  switch (gai_error) {
    case 0:
      return 0;
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_FAMILY:
    case EAI_ADDRFAMILY:
      return DIAL_UNKNOWN_HOST;
    case EAI_MEMORY:
      return ENOMEM;
    case EAI_SYSTEM:
      return errno;
    default:
      return DIAL_RESOLVER_FAILS;
  }
}

static void *run(void *argument) {
  const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  struct search *search = argument;
  struct addrinfo *list = NULL;
  const uint64_t one = 1;
  int error = error_of(getaddrinfo(search->host, search->port, &hints, &list));
  for (const struct addrinfo *item = list; error == 0 && item != NULL; item = item->ai_next) {
    add_address(&search->found, item->ai_addr, item->ai_addrlen);
  }
  if (error == 0) {
    freeaddrinfo(list);
  }
  pthread_mutex_lock(&searches_mutex);
  search->error = error == 0 && search->found.count == 0 ? DIAL_UNKNOWN_HOST : error;
  struct search **entry = &searches;
  while (*entry != search) {
    entry = &(*entry)->next;
  }
  *entry = search->next;
  ssize_t written = write(search->done_fd, &one, sizeof one);
  (void)written; /* a new counter can't overflow */
  release(search);
  pthread_mutex_unlock(&searches_mutex);
  return NULL;
}

static int start_thread(struct search *search) {
  pthread_attr_t attributes;
  pthread_t thread;
  sigset_t all, before;
  sigfillset(&all);
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_sigmask(SIG_SETMASK, &all,
                  &before); /* signal handlers are to run in the program's threads */
  int error = pthread_create(&thread, &attributes, run, search);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return error;
}

/* Mutex held. 0 or an errno. */
static int search_new(const char *host, const char *port, struct search **made) {
  struct search *search = calloc(1, sizeof *search);
  if (search == NULL) {
    return ENOMEM;
  }
  *search = (struct search){.next = searches, .references = 2};
  snprintf(search->host, sizeof search->host, "%s", host);
  snprintf(search->port, sizeof search->port, "%s", port);
  search->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int error = search->done_fd < 0 ? errno : start_thread(search);
  if (error != 0) {
    if (search->done_fd >= 0) {
      close(search->done_fd);
    }
    free(search);
    return error;
  }
  searches = *made = search;
  return 0;
}

/* A running search for that name, or a new one. */
static int search_begin(const char *host, const char *port, struct search **begun) {
  int error = 0;
  resolve_watch_forks();
  pthread_mutex_lock(&searches_mutex);
  struct search *search = searches;
  while (search != NULL && (strcmp(search->host, host) != 0 || strcmp(search->port, port) != 0)) {
    search = search->next;
  }
  if (search != NULL) {
    search->references++;
    *begun = search;
  } else {
    error = search_new(host, port, begun);
  }
  pthread_mutex_unlock(&searches_mutex);
  return error;
}

bool resolve_split(const char *address, char host[RESOLVE_HOST_BYTES_MAX], const char **port) {
  const char *end = strrchr(address, ':');
  const char *begin = address;
  if (end == NULL) {
    return false;
  }
  *port = end + 1;
  if (*begin == '[' && end > begin && end[-1] == ']') {
    begin++;
    end--;
  }
  size_t host_len = (size_t)(end - begin);
  if (host_len == 0 || host_len >= RESOLVE_HOST_BYTES_MAX) {
    return false;
  }
  memcpy(host, begin, host_len);
  host[host_len] = '\0';
  return true;
}

int resolve_begin(const char *host, const char *port, struct addresses *found,
                  struct search **search) {
  *search = NULL;
  if (find_here(found, host, port)) {
    return 0;
  }
  int error = search_begin(host, port, search);
  return error == 0 ? STEP_WAITS : error;
}

int resolve_step(struct search *search, struct addresses *found, struct waits *waits) {
  if (descriptor_wait(search->done_fd, POLLIN, 0) == 0) {
    waits_add(waits, search->done_fd, POLLIN);
    return STEP_WAITS;
  }
  pthread_mutex_lock(&searches_mutex);
  int error = search->error;
  if (error == 0) {
    *found = search->found;
  }
  pthread_mutex_unlock(&searches_mutex);
  return error;
}

void resolve_end(struct search *search) {
  if (search != NULL) {
    pthread_mutex_lock(&searches_mutex);
    release(search);
    pthread_mutex_unlock(&searches_mutex);
  }
}
