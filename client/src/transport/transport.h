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

#include "client/src/transport/resolve.h"
#include "proto/sp.h"

struct transport;
struct rings;

/* An attempt to connect, and what earlier ones have shown. */
struct dialling {
  uint64_t deadline_ns;
  int64_t dead_after_ms; /* a peer that is gone without a word is noticed about that late */
  int cancel_fd;         /* readable: the attempt ends with ECANCELED; -1: nothing ends it */
  /* Of a host with several addresses. */
  struct address chosen;  /* the one that was connected to, by this attempt */
  struct address worked;  /* the last that a session was on: goes first */
  struct address shunned; /* the last that took the connection, and had no session: goes last */
  bool has_others;        /* beside the chosen one */
};
/* Whether a session came of the attempt. */
void dialling_note(struct dialling *dialling, bool has_worked);

/* One connection of the transport; closed while fd < 0. */
struct link {
  const struct transport *transport;
  int fd;              /* the socket; of transport_ring the door's */
  struct rings *rings; /* NULL: a socket */
};

struct transport {
  const char *scheme; /* "tcp://"; NULL: not dialled by a url */
  const char *name;   /* for people */
  enum sp_transport framing;
  /* Whether the part of the url behind the scheme is well-formed. */
  bool (*is_address)(const char *address);
  /* Connects. Answers a non-blocking descriptor, or -1 and an errno or enum dial_error in errno. */
  int (*dial)(const char *address, struct dialling *dialling);
  /* As sendmsg and recv do: bytes, or -1 and errno; EAGAIN when nothing goes now. Never block. */
  ssize_t (*send)(const struct link *link, struct iovec *parts, int part_count);
  ssize_t (*recv)(const struct link *link, void *data, size_t capacity);
  /* As link_wait_or does. */
  short (*wait)(const struct link *link, short events, int other, bool *is_other,
                uint64_t deadline_ns);
  /* Ends traffic both ways and wakes who waits; the descriptor stays taken. */
  void (*cut)(const struct link *link);
  /* Also in a forked child, where it leaves the parent's alone. */
  void (*close)(const struct link *link);
};

extern const struct transport transport_tcp, transport_ipc;
/* Rings in memory shared with a server on this machine; opened by link_open_local. Its framing is
 * the one it was opened with. */
extern const struct transport transport_ring;

/* The transport of a url and its address part; NULL: no such scheme, or a malformed address. */
const struct transport *transport_find(const char *url, const char **address);

/* Dials and exchanges hellos as `own`, expecting `peer`. 0, an errno (EPROTO: not that peer), or an
 * enum dial_error. */
int link_open(struct link *link, const struct transport *transport, const char *address,
              enum sp_protocol own, enum sp_protocol peer, struct dialling *dialling);
/* Opens rings at the server's door of that path, which carry that framing. 0 or an errno.
 * out  why  on failure: a static sentence for people */
int link_open_local(struct link *link, const char *door_path, enum sp_transport framing,
                    enum sp_protocol own, uint64_t deadline_ns, const char **why);
void link_close(struct link *link);
ssize_t link_send(const struct link *link, struct iovec *parts, int part_count);
ssize_t link_recv(const struct link *link, void *data, size_t capacity);
void link_cut(const struct link *link);
/* Waits for poll(2) events; answers those that happened, 0 when the deadline came first. */
short link_wait(const struct link *link, short events, uint64_t deadline_ns);
/* The same; comes back also when the other descriptor (-1: none) is readable. */
short link_wait_or(const struct link *link, short events, int other, bool *is_other,
                   uint64_t deadline_ns);
/* Sends everything. 0, or an errno (ETIMEDOUT). */
int link_send_all(struct link *link, const void *data, size_t size, uint64_t deadline_ns);

#endif
