/* Replies: from a message to the places a call names, and what becomes of the call.
 *
 * layer   client, connection
 * threads Connection's mutex held: all of it runs in the thread that received the reply.
 */
#ifndef HF_CLIENT_REPLY_H
#define HF_CLIENT_REPLY_H

#include "client/src/connection/conn.h"

struct result;

/* HF_REASON_NONE | BAD_REPLY NO_MEMORY, nothing set nor taken. */
typedef hf_reason (*result_decode)(hf_conn *conn, const Holdfast__Response *reply,
                                   const struct result *result);

struct result {
  result_decode decode;
  void *first, *second;
  size_t size; /* bytes at *first, where the decoder can't know */
};

/* A call under way. Filled by the poll leader. */
struct call {
  struct result result;
  uint32_t *pending; /* counted down when the reply is there */
  struct slot *slot; /* while it is under way */
  hf_status status;
  struct failure *failure;
  void (*settled)(struct call *call); /* its outcome is known; NULL: a thread waits for this call */
};

/* The slot's reply is `reply`, or (NULL) the call fails with `failure` (taken). */
void reply_finish(hf_conn *conn, struct slot *slot, const Holdfast__Response *reply,
                  struct failure *failure);
/* There is a reply, which can't be read; what it brings goes back. */
void reply_finish_unread(hf_conn *conn, struct slot *slot, hf_reason reason);
/* The call ends without a reply. Its slot is the caller's to care for. */
void call_give_up(struct call *call, hf_reason reason);

/* Decodes it; the references of what can't be taken are given back. */
hf_reason reply_take(hf_conn *conn, const Holdfast__Response *reply, const struct result *result);
/* A decoder: whatever the reply is, nobody wants it. */
hf_reason reply_discard(hf_conn *conn, const Holdfast__Response *reply,
                        const struct result *result);
/* Gives back what a reply that nobody takes holds for the session; message may be NULL. */
void reply_drop(hf_conn *conn, const Holdfast__Response *reply);
void reply_drop_value(hf_conn *conn, const Holdfast__Value *message);
/* What an error reply says. NULL: out of memory */
struct failure *failure_of_reply(const Holdfast__Response *reply);

#endif
