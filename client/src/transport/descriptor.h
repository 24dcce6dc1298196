/* Waiting for descriptors, and connecting sockets, until a deadline.
 *
 * layer   client, transport
 * units   absolute nanoseconds of the monotonic clock; CLOCK_NEVER: no deadline
 * threads any
 */
#ifndef HF_CLIENT_DESCRIPTOR_H
#define HF_CLIENT_DESCRIPTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* For poll(2): rounded up, so that a wait never ends before its deadline. */
int poll_timeout_ms(uint64_t deadline_ns);
/* Waits for poll(2) events; answers those that happened, 0 when the deadline came first. */
short descriptor_wait(int fd, short events, uint64_t deadline_ns);
/* The same; comes back also when the other descriptor (-1: none) is readable. */
short descriptor_wait_or(int fd, short events, int other, bool *is_other, uint64_t deadline_ns);
/* Connects a fresh non-blocking socket of that type (SOCK_STREAM). The descriptor, or -1 and errno. */
int connect_socket(const struct sockaddr *address, socklen_t address_len, int type,
                   uint64_t deadline_ns);

#endif
