/* Descriptors: what a step that does not block waits for, and waiting for it.
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

/* For poll(2): rounded up, so that a wait never ends before its deadline. */
int poll_timeout_ms(uint64_t deadline_ns);
/* Waits for poll(2) events; answers those that happened, 0 when the deadline came first. */
short descriptor_wait(int fd, short events, uint64_t deadline_ns);
/* The same; comes back also when the other descriptor (-1: none) is readable. */
short descriptor_wait_or(int fd, short events, int other, bool *is_other, uint64_t deadline_ns);
/* Connects a fresh non-blocking AF_UNIX socket of that type. The descriptor, or -1 and errno. */
int connect_local(const struct sockaddr *address, socklen_t address_len, int type);

/* ---------------------------------------------------------------- steps */

/* What a step answers that has to be called again once something it waits for has happened; beside
 * errno's numbers and enum dial_error. */
#define STEP_WAITS (-1)

#define WAITS_MAX 20

/* What is waited for: any event of a descriptor, or a time. */
struct waits {
  struct pollfd descriptors[WAITS_MAX];
  size_t count;
  uint64_t until_ns;
};

void waits_init(struct waits *waits);
void waits_add(struct waits *waits, int fd, short events);
void waits_until(struct waits *waits, uint64_t until_ns);
/* Waits for one of them, for `other` to be readable, or for the deadline. Whether `other` is. */
bool waits_block(const struct waits *waits, int other, uint64_t deadline_ns);

#endif
