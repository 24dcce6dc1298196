/* One peer of a server's connections, over a transport that is a table of functions and of which the test
 * decides what there is to read, and how much room to write.
 *
 * threads The test's thread is the transport's; threads of large.h may write and resume.
 */
#ifndef HF_TESTS_PEER_H
#define HF_TESTS_PEER_H

#include "server/connection/connections.h"
#include "server/users/users.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#define PEER_REQUESTS (8 * HF_IN_FLIGHT_MAX) /* more than an outbox takes */
#define PEER_BODY "no request"               /* is answered all the same */
#define PEER_FRAME_BYTES (8 + 4 + sizeof PEER_BODY - 1)
#define PEER_BYTES_MAX ((size_t)4 << 20)
#define PEER_HUGE_BYTES ((size_t)6 << 20) /* of a body */
#define PEER_SENT_BYTES_MAX (SP_HELLO_BYTES + PEER_REQUESTS * PEER_FRAME_BYTES + PEER_HUGE_BYTES)
/* Uids without names. */
#define PEER_SERVER_UID 4000000
#define PEER_STRANGER_UID 4000001

/* What it sends and gets. */
struct peer {
  void *connection;
  uint8_t sent[PEER_SENT_BYTES_MAX];
  size_t sent_len, read_len;
  uint8_t *got; /* of PEER_BYTES_MAX */
  size_t got_len;
  size_t room;                                 /* that it has for more */
  enum transport_result read_ends, write_ends; /* TRANSPORT_OK: they don't */
  uint64_t read_deadline_ns;
  bool transport_reads; /* else the connection keeps the activity */
  bool awaits_room, is_paused, is_closed, is_freed;
  uint32_t paused_ms;
  pthread_t writer; /* the last thread that wrote */
  size_t writes;
  sem_t resumes; /* how often reading was resumed */
};

extern struct peer peer;
extern struct peer_server {
  struct connections *connections;
  struct dispatch *dispatch;
  const struct transport_acceptor *acceptor;
  struct dispatch_sink sink; /* the connections', but counts replies */
  atomic_size_t replies_made;
} peer_server;

/* With a peer that has the server's uid. */
int peer_server_start(void **state);
/* After peer_leave. */
int peer_server_stop(void **state);
/* A section `web` of that uid; NULL: no section. */
struct users *peer_admit(const uid_t *uid);

/* The next peer comes. */
void peer_accept(const struct identity *identity);
void peer_accept_uid(uid_t uid);
/* It goes, unless its connection is closed. */
void peer_leave(void);

void peer_send_hello(void);
/* Its body begins with PEER_BODY, and goes on with zeros. */
void peer_send_request(uint32_t id, size_t body_len);
void peer_send_requests(uint32_t count);
/* Requests that are carried out. */
void peer_send_ping(uint32_t id, size_t payload_len);
void peer_send_pings(uint32_t count);
/* How many whole replies it got, in the order of their requests. */
uint32_t peer_replies(void);

/* Polls while there is something to do. */
void peer_poll(void);
void peer_give_room(size_t room);
/* Calls what a transport calls after close. */
void peer_end(void);

#endif
