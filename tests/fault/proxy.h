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
  uint32_t life_ms;        /* each connection is cut after that long on average; 0: never */
  uint32_t stall_every_ms; /* one direction of one connection stands still that often; 0: never */
  uint32_t stall_ms;       /* for that long */
  uint32_t delay_ms_max;   /* each stretch of bytes waits up to that long */
  uint32_t dribble_bytes;  /* forwards at most that many at once; 0: whatever is there */
  uint32_t half_open_every_ms; /* one connection goes dumb that often; 0: never. Nothing passes, in
                                  neither direction, and both sockets stay open */
  uint32_t half_open_ms;       /* until it is reset, as by a keepalive */
  uint32_t storm_every_ms;     /* all connections are cut at once that often; 0: never */
  uint32_t storm_cuts;         /* so many times in a row, STORM_GAP_MS apart */
  uint32_t refuse_ms;          /* and then new ones are reset for that long */
  uint32_t target_address;     /* IPv4 in host order; 0: loopback */
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

/* Fails the test when it can't. The proxy dies with the caller. */
void proxy_start(struct proxy *proxy, uint16_t target_port, const struct proxy_options *options);
void proxy_stop(struct proxy *proxy);

#endif
