/* A bad network between clients and a server: a TCP proxy in a process of its own.
 *
 *   clients --- proxy.port [ cuts, delays, stalls, dribbles, half-opens, storms ] target --- server
 *
 * What was read from one side and not yet written to the other is lost when a connection is cut, so
 * frames break at any byte. All random decisions come from the seed, though their moment depends on
 * the machine.
 */
#ifndef HF_TESTS_FAULT_PROXY_H
#define HF_TESTS_FAULT_PROXY_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

struct proxy_options {
  uint64_t seed;
  uint32_t life_ms; /* the mean time before a connection is cut; 0: never */
  /* the mean time between stalls of one direction of one connection; 0: never */
  uint32_t stall_every_ms;
  uint32_t stall_ms;      /* the length of a stall */
  uint32_t delay_ms_max;  /* the bound of the delay of each chunk of bytes */
  uint32_t dribble_bytes; /* the bound of bytes forwarded at once; 0: none */
  /* The mean time between half-open connections: nothing passes in either direction, and both
   * sockets stay open; 0: never. */
  uint32_t half_open_every_ms;
  uint32_t half_open_ms;   /* the time until a half-open connection is reset, as by a keepalive */
  uint32_t storm_every_ms; /* the mean time between storms, which cut all connections; 0: never */
  uint32_t storm_cuts;     /* cuts per storm, STORM_GAP_MS apart */
  uint32_t refuse_ms;      /* the time after a storm during which new connections are reset */
  uint32_t target_address; /* IPv4 in host order; 0: loopback */
};

#define STORM_GAP_MS 20

struct proxy_counts {
  atomic_ullong accepted, cut, stalled, half_opened, storms, refused, bytes;
};

struct proxy {
  pid_t pid;
  uint16_t port;
  struct proxy_options options;
  struct proxy_counts *counts; /* shared with the process */
};

/* Fails the test on failure. The proxy ends with this process. */
void proxy_start(struct proxy *proxy, uint16_t target_port, const struct proxy_options *options);
void proxy_stop(struct proxy *proxy);

#endif
