/* Replies: decodes a reply to the call's out parameters, and completes the call.
 *
 * layer   client, connection
 * threads Connection's mutex held: all functions run in the thread that received the reply.
 */
#ifndef HF_CLIENT_REPLY_H
#define HF_CLIENT_REPLY_H

#include "client/src/connection/conn.h"

struct call;
struct result;

/* HF_REASON_NONE | BAD_REPLY NO_MEMORY, nothing set or taken. */
typedef hf_reason (*result_decode)(hf_conn *conn, const Holdfast__Response *reply,
                                   const struct result *result);

struct result {
  result_decode decode;
  void *first, *second;
  size_t size; /* bytes at *first, if the decoder needs the size */
  bool lands;  /* the value is `size` bytes, which may be there before the decoder; see landing.h */
  /* Of a submitted call: ends what the call was given. Called once, without the mutex after the
   * call has completed, whose outcome it may replace; or with call NULL, if nobody takes the
   * outcome. NULL: none. */
  void (*end)(const struct result *result, struct call *call);
};

/* A call in flight. The poll leader fills in the outcome. */
struct call {
  struct result result;
  uint32_t *pending; /* decremented when the call completes */
  struct slot *slot; /* while the call is in flight */
  bool is_withdrawn; /* by hf_cancel or hf_async_cancel; the reply may still be a result */
  hf_status status;
  struct failure *failure;
  void (*settled)(struct call *call); /* the call is complete; NULL: a thread waits for it */
};

/* Completes the slot's call with `reply`, or if that is NULL with `failure` (taken). */
void reply_finish(hf_conn *conn, struct slot *slot, const Holdfast__Response *reply,
                  struct failure *failure);
/* Completes the slot's call, whose reply can't be unpacked; a Cancel revokes what the reply
 * granted. */
void reply_finish_unread(hf_conn *conn, struct slot *slot, hf_reason reason);
/* Ends the call without a reply. The caller frees the slot. */
void call_give_up(struct call *call, hf_reason reason);

/* Decodes the reply; if that fails, releases the references in it. */
hf_reason reply_take(hf_conn *conn, const Holdfast__Response *reply, const struct result *result);
/* A decoder that ignores the reply. */
hf_reason reply_discard(hf_conn *conn, const Holdfast__Response *reply,
                        const struct result *result);
/* Releases the references in a reply that no call takes; message may be NULL. */
void reply_drop(hf_conn *conn, const Holdfast__Response *reply);
void reply_drop_value(hf_conn *conn, const Holdfast__Value *message);
/* Whether it is that error. */
bool reply_means(const Holdfast__Response *reply, hf_reason reason);
/* The failure of an error reply. NULL: out of memory */
struct failure *failure_of_reply(const Holdfast__Response *reply);

#endif
