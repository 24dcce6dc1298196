/* Transports: how frames of the scalability protocols reach a server.
 *
 * layer   client, transport; knows nothing of sessions and calls
 * threads A link is used by one thread at a time, except link_send, link_cut and a link_wait for
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

/* What attempts to connect have shown. */
struct dialling {
  int64_t dead_after_ms; /* a peer that is gone without a word is noticed about that late */
  /* Of a host with several addresses. */
  struct address chosen;  /* the one that was connected to, by this attempt */
  struct address worked;  /* the last that a session was on: goes first */
  struct address shunned; /* the last that took the connection, and had no session: goes last */
  bool has_others;        /* beside the chosen one */
};
/* Whether a session came of the attempt. */
void dialling_record(struct dialling *dialling, bool has_worked);

/* An attempt that is under way, in steps. */
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
  int fd;              /* the socket; of transport_ring the local handshake's */
  struct rings *rings; /* NULL: a socket */
};

struct transport {
  const char *scheme; /* "tcp://"; NULL: not dialled by a url */
  const char *name;   /* for people */
  enum sp_transport framing;
  /* Whether the part of the url behind the scheme is well-formed. */
  bool (*is_address)(const char *address);
  /* Connects. 0, *fd is non-blocking | STEP_WAITS | an errno or enum dial_error. NULL: not dialled */
  int (*dial)(struct dial *dial, int *fd, struct waits *waits);
  /* As sendmsg and recv do: bytes, or -1 and errno; EAGAIN when nothing goes now. Never block. */
  ssize_t (*send)(const struct link *link, struct iovec *parts, int part_count);
  ssize_t (*recv)(const struct link *link, void *data, size_t capacity);
  /* As link_wait_or does. */
  short (*wait)(const struct link *link, short events, int other, bool *is_other,
                uint64_t deadline_ns);
  /* As link_arm and link_disarm do. */
  short (*arm)(const struct link *link, short events);
  void (*disarm)(const struct link *link);
  /* Ends traffic both ways and wakes who waits; the descriptor stays taken. */
  void (*cut)(const struct link *link);
  /* Also in a forked child, where it leaves the parent's alone. */
  void (*close)(const struct link *link);
};

extern const struct transport transport_tcp, transport_ipc;
/* Rings in memory shared with a server on this machine; opened at the server's local handshake. Its framing is
 * the one it was opened with. */
extern const struct transport transport_ring;

/* The transport of a url and its address part; NULL: no such scheme, or a malformed address. */
const struct transport *transport_find(const char *url, const char **address);

void link_close(struct link *link);
ssize_t link_send(const struct link *link, struct iovec *parts, int part_count);
ssize_t link_recv(const struct link *link, void *data, size_t capacity);
void link_cut(const struct link *link);
/* Waits for poll(2) events; answers those that happened, 0 when the deadline came first. */
short link_wait(const struct link *link, short events, uint64_t deadline_ns);
/* The same; comes back also when the other descriptor (-1: none) is readable. */
short link_wait_or(const struct link *link, short events, int other, bool *is_other,
                   uint64_t deadline_ns);
/* For a thread that waits for the link's descriptor among others: from link_arm to link_disarm the
 * events of link_poll_events happen on it when something happens. Answers what has happened already. */
short link_arm(const struct link *link, short events);
/* Room in a ring is announced by a notification to read. */
short link_poll_events(const struct link *link, short events);
void link_disarm(const struct link *link);
/* Send or receive what is left of `size` bytes, or some of it. 0: it is done | STEP_WAITS | an errno */
int link_send_step(const struct link *link, const void *data, size_t size, size_t *done,
                   struct waits *waits);
int link_recv_some(const struct link *link, void *data, size_t size, size_t *done,
                   struct waits *waits);
int link_recv_step(const struct link *link, void *data, size_t size, size_t *done,
                   struct waits *waits);

#endif
