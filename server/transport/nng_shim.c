#include "server/transport/nng_shim.h"

#include <dirent.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define RUNS_MAX 8 /* what nng takes */

/* ------------------------------------------------------------------------------- operations */

bool nng_shim_is_done(nng_aio *operation) {
  return nng_aio_count(operation) != 0 || nng_aio_result(operation) != 0;
}

int nng_shim_take(nng_aio *operation, size_t *count) {
  nng_aio_wait(operation); /* for what completes it on the poll thread to return */
  int rv = nng_aio_result(operation);
  *count = rv == 0 ? nng_aio_count(operation) : 0;
  return rv;
}

int nng_shim_withdraw(nng_aio *operation, size_t *count) {
  /* Either it is done and the cancellation finds nothing, or it is taken back within the call; so
   * the wait does not wait. */
  nng_aio_cancel(operation);
  int rv = nng_shim_take(operation, count);
  return rv == NNG_ECANCELED ? 0 : rv;
}

void nng_shim_set_runs(nng_aio *operation, const struct bytes *runs, size_t count) {
  nng_iov parts[RUNS_MAX];
  unsigned used = 0;
  for (size_t i = 0; i < count; i++) {
    if (runs[i].len > 0) { /* nng sends a first part that is empty as nothing */
      parts[used++] = (nng_iov){(void *)(uintptr_t)runs[i].data, runs[i].len};
    }
  }
  nng_aio_set_iov(operation, used, parts);
}

int nng_shim_try_send(nng_stream *stream, nng_aio *operation, size_t *sent) {
  nng_stream_send(stream, operation);
  /* What completed within the call needs no cancellation, which takes a lock of all operations. */
  return nng_shim_is_done(operation) ? nng_shim_take(operation, sent)
                                     : nng_shim_withdraw(operation, sent);
}

void nng_shim_post_read(nng_stream *stream, nng_aio *operation, void *data, size_t capacity) {
  nng_iov iov = {data, capacity};
  nng_aio_set_iov(operation, 1, &iov);
  nng_stream_recv(stream, operation);
}

/* ------------------------------------------------------------------------------ descriptors */

static bool same_address(const struct sockaddr_storage *bound, const nng_sockaddr *wanted) {
  if (bound->ss_family == AF_INET && wanted->s_family == NNG_AF_INET) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)bound;
    return in->sin_port == wanted->s_in.sa_port && in->sin_addr.s_addr == wanted->s_in.sa_addr;
  }
  if (bound->ss_family == AF_INET6 && wanted->s_family == NNG_AF_INET6) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)bound;
    return in6->sin6_port == wanted->s_in6.sa_port &&
           memcmp(&in6->sin6_addr, wanted->s_in6.sa_addr, sizeof in6->sin6_addr) == 0;
  }
  return false;
}

static bool listens_on(int fd, const nng_sockaddr *wanted) {
  int listening = 0;
  socklen_t len = sizeof listening;
  struct sockaddr_storage bound = {0};
  socklen_t bound_len = sizeof bound;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening != 0 &&
         getsockname(fd, (struct sockaddr *)&bound, &bound_len) == 0 &&
         same_address(&bound, wanted);
}

int nng_shim_listening_socket(const nng_sockaddr *address) {
  DIR *descriptors = opendir("/proc/self/fd");
  int found = -1;
  struct dirent *entry;
  while (descriptors != NULL && found < 0 && (entry = readdir(descriptors)) != NULL) {
    int fd = atoi(entry->d_name);
    found = fd > 2 && listens_on(fd, address) ? fd : -1;
  }
  if (descriptors != NULL) {
    closedir(descriptors);
  }
  return found;
}
