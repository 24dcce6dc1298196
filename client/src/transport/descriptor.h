/* Descriptors: what a non-blocking step waits for, and waiting for it.
 *
 * layer   client, transport
 * units   absolute nanoseconds of the monotonic clock; CLOCK_NEVER: no deadline
 * threads any
 */
#ifndef HF_CLIENT_DESCRIPTOR_H
#define HF_CLIENT_DESCRIPTOR_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* The timeout for poll(2), rounded up so that the wait does not end before the deadline. */
int poll_timeout_ms(uint64_t deadline_ns);
/* Waits for poll(2) events; returns those that occurred, 0 at the deadline. */
short descriptor_wait(int fd, short events, uint64_t deadline_ns);
/* The same; also returns when the descriptor `other` (-1: none) is readable. */
short descriptor_wait_or(int fd, short events, int other, bool *is_other, uint64_t deadline_ns);
/* Connects a new non-blocking AF_UNIX socket of that type. The descriptor, or -1 and errno. */
int connect_local(const struct sockaddr *address, socklen_t address_len, int type);

/* ---------------------------------------------------------------- steps */

/* The result of a step that is to be called again after one of its waits, beside errno numbers and
 * enum dial_error. */
#define STEP_WAITS (-1)

#define WAITS_MAX 20

/* What to wait for: an event of any descriptor, or a time. */
struct waits {
  struct pollfd descriptors[WAITS_MAX];
  size_t count;
  uint64_t until_ns;
};

void waits_init(struct waits *waits);
void waits_add(struct waits *waits, int fd, short events);
void waits_until(struct waits *waits, uint64_t until_ns);
/* Waits for one of `waits`, for `other` to be readable, or for the deadline. Whether `other` is
 * readable. */
bool waits_block(const struct waits *waits, int other, uint64_t deadline_ns);

#endif
