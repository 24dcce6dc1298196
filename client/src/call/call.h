/* A call: an operation on its way to the server, and what becomes of its reply.
 *
 *   request_of -> request_value .. -> request_send:   call_run, or pipeline, or one-way
 *
 * layer   client, between the objects and the connection
 * memory  A request lives on the caller's stack; values are borrowed until request_send returns.
 */
#ifndef HF_CLIENT_CALL_H
#define HF_CLIENT_CALL_H

#include "client/src/call/results.h"
#include "client/src/call/values.h"
#include "client/src/connection/conn.h"

#define REQUEST_VALUES_MAX 3

/* Where a reply goes. Filled by the driver, with the connection's mutex held. */
struct call {
  struct result result;
  uint32_t *pending; /* counted down when the reply is there */
  struct slot *slot; /* while it is under way */
  hf_status status;
  struct failure *failure;
  struct pipeline *pipeline; /* NULL: a thread waits for this call alone */
  uint64_t idx;              /* in the pipeline */
  struct call *next_free;
};

struct request {
  hf_conn *conn;
  struct envelope envelope;
  struct result result;
  int64_t wait_ms;  /* how long the server may take beyond a round trip; HF_FOREVER */
  bool is_now;      /* also in a pipeline the caller waits for the reply */
  bool is_internal; /* is_now, and also in one-way mode a call */
  bool needs_reply; /* makes no sense one-way */
  hf_reason reason; /* why it can't be sent */
  uint32_t value_count;
  Holdfast__Value values[REQUEST_VALUES_MAX];
  struct arena arena; /* tuples, and lists of values */
};

/* Connection's mutex held: the slot's reply is `reply`, or (NULL) the call fails with `failure`
 * (taken). */
void call_finish(hf_conn *conn, struct slot *slot, const Holdfast__Response *reply,
                 struct failure *failure);
/* Connection's mutex held: there is a reply, which can't be read; what it brings goes back. */
void call_finish_unread(hf_conn *conn, struct slot *slot, hf_reason reason);
/* Connection's mutex held: the call ends without a reply. Its slot is the caller's to care for. */
void call_give_up(struct call *call, hf_reason reason);
/* Connection's mutex held: submits behind what is due to be given back. Does not write yet.
 * HF_OK | an error, which is the thread's last then */
hf_status call_submit(struct request *request, struct call *call);

#define OPERATION(name) HOLDFAST__REQUEST__OPERATION_##name

/* A request on the handle's object; one that never waits and returns nothing, unless told. The
 * handle may be of any kind. */
void request_of(struct request *request, const void *handle, uint32_t operation);
/* A request on the connection itself. */
void request_of_conn(struct request *request, hf_conn *conn, uint32_t operation);
/* The operation may wait that long on the server. */
void request_wait(struct request *request, int64_t timeout_ms);
/* Its result goes to up to three places, each of which may be NULL unless needs_reply is set. */
void request_result(struct request *request, result_decode decode, void *first, void *second);
/* The same, where a call without the reply would be pointless. */
void request_ask(struct request *request, result_decode decode, void *first, void *second);

/* The message of a value; errors show in request_send. At most REQUEST_VALUES_MAX a request. */
Holdfast__Value *request_value(struct request *request, const hf_value *value);
/* NULL for NULL. */
Holdfast__Value *request_optional(struct request *request, const hf_value *value);
/* Messages of several values. NULL with count 0, and after an error, when *message_count is 0. */
Holdfast__Value **request_values(struct request *request, const hf_value *values, size_t count,
                                 size_t *message_count);
Holdfast__Entry **request_entries(struct request *request, const struct hf_entry *entries,
                                  size_t count, size_t *message_count);
Holdfast__Slice request_slice(struct hf_slice slice);

/* Sends it the way this thread has chosen; frees what the request holds. In a pipeline and one-way
 * HF_OK means: under way. */
hf_status request_send(struct request *request, const ProtobufCMessage *arm);
/* The same with an arm that is packed already. */
hf_status request_send_packed(struct request *request, struct bytes arm);

#endif
