/* A fake server: accepts clients, and sends the replies of the test.
 *
 * Listens on tcp on loopback, or on an ipc socket. Each connection has a thread of its own in the
 * test's process, which says hello, answers OpenSession and ResumeSession, and leaves every other
 * request to the test's function.
 *
 * threads impostor_start and impostor_stop from one thread; answer functions from many
 */
#ifndef HF_TESTS_FAULT_IMPOSTOR_H
#define HF_TESTS_FAULT_IMPOSTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/holdfast.pb-c.h"
#include "proto/sp.h"

struct impostor_peer {
  struct impostor *impostor;
  int fd;
  uint64_t count; /* requests received from the peer */
};

/* Answers one request by impostor_reply or impostor_send, or not at all. false: closes the
 * connection. */
typedef bool impostor_answer(struct impostor_peer *peer, uint32_t id,
                             const Holdfast__Request *request);

struct impostor {
  /* Set before the start. */
  impostor_answer *answer;
  void *ctx;                        /* argument of answer */
  const char *ipc_path;             /* NULL: tcp */
  const char *tcp_address;          /* NULL: 127.0.0.1 */
  uint16_t port;                    /* 0: any; set by the start */
  const Holdfast__Session *session; /* the reply to OpenSession; NULL: a default one */
  bool is_silent;                   /* accepts connections and sends nothing */
  atomic_bool
      is_loading; /* answers LOADING to OpenSession and ResumeSession; changes at any time */
  /* Counted. */
  atomic_uint connections, sessions, resumes, requests, put_off;
  atomic_ullong process; /* of the last ResumeSession */
  int listener;
  atomic_uint running;
  atomic_bool is_over;
};

/* Fails the test on failure. */
void impostor_start(struct impostor *impostor);
/* Closes all connections and waits until all threads have ended. */
void impostor_stop(struct impostor *impostor);

/* Both return whether the peer is still connected. reply: its sequence is set. */
bool impostor_reply(struct impostor_peer *peer, uint32_t id, uint64_t sequence,
                    Holdfast__Response *reply);
bool impostor_send(struct impostor_peer *peer, const void *data, size_t len);
/* Sends a payload after the id, in a frame. */
bool impostor_send_payload(struct impostor_peer *peer, uint32_t id, const void *payload,
                           size_t len);

#endif
