/* Transports: how frames of the scalability protocols reach a server.
 *
 * layer   client, transport; independent of sessions and calls
 * threads One thread at a time uses a link, except for link_send, link_cut and a link_wait for
 *         POLLOUT, which may run while another thread waits or receives.
 *
 * To add a transport: a table like transport_tcp, and a row in transports.c.
 */
#ifndef HF_CLIENT_TRANSPORT_H
#define HF_CLIENT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "client/src/transport/race.h"
#include "proto/sp.h"

struct transport;
struct rings;
struct tls_link;
struct credentials;

#define REFUSAL_BYTES 512

/* What attempts to connect are made with, and the results of earlier ones. */
struct dialling {
  int64_t dead_after_ms; /* after about this long an unreachable peer counts as dead */
  /* Once connected, a secure transport's handshake and the first reply may take so long, instead of
   * until the deadline; 0: until the deadline. */
  int64_t handshake_ms;
  struct credentials *credentials; /* borrowed; NULL: not transport_tls */
  char refusal[REFUSAL_BYTES];     /* a sentence, after an error that dial_error_reason knows */
  /* For a host with several addresses. */
  struct address chosen; /* the address that this attempt connected to */
  struct address worked; /* the last address that gave a session; tried first */
  /* The last address that accepted a connection but gave no session; tried last. */
  struct address shunned;
  bool has_others; /* there are addresses besides `chosen` */
};
/* Whether the attempt gave a session. */
void dialling_record(struct dialling *dialling, bool has_worked);
/* Whether `chosen` is to be preferred to all other addresses even if it is slow. */
bool dialling_is_sure(const struct dialling *dialling);

/* An attempt to connect in progress. */
struct dial {
  const char *address;
  struct dialling *dialling;
  uint64_t deadline_ns;
  struct search *search; /* of the host's addresses; NULL: none */
  uint64_t resolve_until_ns;
  struct addresses found;
  struct race race;
};

/* One connection of the transport; closed while fd < 0. */
struct link {
  const struct transport *transport;
  int fd;               /* the socket; of transport_ring that of the local handshake */
  struct rings *rings;  /* NULL: not transport_ring */
  struct tls_link *tls; /* NULL: not transport_tls */
};

struct transport {
  const char *scheme; /* "tcp://"; NULL: no url names this transport */
  const char *name;   /* for people */
  enum sp_transport framing;
  /* Whether the url's part after the scheme is well-formed. */
  bool (*is_address)(const char *address);
  /* Connects. 0, *fd is non-blocking | STEP_WAITS | an errno or enum dial_error. NULL: no url */
  int (*dial)(struct dial *dial, int *fd, struct waits *waits);
  /* After dial, before any byte is sent. 0 | STEP_WAITS | an errno or enum dial_error. NULL: nothing
   * to do */
  int (*secure)(struct link *link, const struct dial *dial, struct waits *waits);
  /* What the error of `secure`, or of the exchange of hellos after it, comes from; may set
   * dialling->refusal. NULL: the error as it is */
  int (*explain)(const struct link *link, const struct dial *dial, int error);
  /* As sendmsg and recv: bytes, or -1 and errno; EAGAIN if nothing can be transferred now. Never
   * block. */
  ssize_t (*send)(const struct link *link, struct iovec *parts, int part_count);
  ssize_t (*recv)(const struct link *link, void *data, size_t capacity);
  /* As link_wait_or does. */
  short (*wait)(const struct link *link, short events, int other, bool *is_other,
                uint64_t deadline_ns);
  /* As link_arm, link_poll_events and link_disarm do. */
  short (*arm)(const struct link *link, short events);
  short (*poll_events)(const struct link *link, short events);
  void (*disarm)(const struct link *link);
  /* Ends traffic in both directions and wakes waiting threads; the descriptor stays open. */
  void (*cut)(const struct link *link);
  /* In a forked child, too, which does not affect the parent's link. */
  void (*close)(const struct link *link);
};

extern const struct transport transport_tcp, transport_ipc, transport_tls;
/* Rings in memory shared with a server on this machine, opened by the local handshake. The framing
 * is the one given to opening_begin_local. */
extern const struct transport transport_ring;

/* The transport of a url and its address part; NULL: no such scheme, or a malformed address. */
const struct transport *transport_find(const char *url, const char **address);

void link_close(struct link *link);
ssize_t link_send(const struct link *link, struct iovec *parts, int part_count);
ssize_t link_recv(const struct link *link, void *data, size_t capacity);
void link_cut(const struct link *link);
/* Waits for poll(2) events; returns those that occurred, 0 at the deadline. */
short link_wait(const struct link *link, short events, uint64_t deadline_ns);
/* The same; also returns when the descriptor `other` (-1: none) is readable. */
short link_wait_or(const struct link *link, short events, int other, bool *is_other,
                   uint64_t deadline_ns);
/* For a thread that polls the link's descriptor among others: between link_arm and link_disarm the
 * descriptor reports the events of link_poll_events. Returns the events that are pending already.
 */
short link_arm(const struct link *link, short events);
/* The poll(2) events for `events`: a ring announces room by a notification to be read, and TLS may
 * have something to send by itself. */
short link_poll_events(const struct link *link, short events);
void link_disarm(const struct link *link);
/* Send or receive the rest of `size` bytes, or some of it. 0 done | STEP_WAITS | an errno */
int link_send_step(const struct link *link, const void *data, size_t size, size_t *done,
                   struct waits *waits);
int link_recv_some(const struct link *link, void *data, size_t size, size_t *done,
                   struct waits *waits);
int link_recv_step(const struct link *link, void *data, size_t size, size_t *done,
                   struct waits *waits);

#endif
