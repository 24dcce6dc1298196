/* A request in the making: an operation, its target and arguments, and where its results go.
 *
 *   request_of -> request_value .. -> request_send (call.h), or call_now (plain.h)
 *
 * layer   client, call
 * memory  A request lives on the caller's stack; values are borrowed until it is sent.
 */
#ifndef HF_CLIENT_REQUEST_H
#define HF_CLIENT_REQUEST_H

#include "client/src/call/values.h"
#include "client/src/connection/handle.h"
#include "client/src/connection/reply.h"

#define REQUEST_VALUES_MAX 3

struct request {
  hf_conn *conn;
  struct envelope envelope;
  struct result result;
  int64_t wait_ms;   /* how long the server may take beyond a round trip; HF_FOREVER */
  bool is_now;       /* the library goes on with the reply: the caller waits for it in every mode */
  bool is_opening;   /* of a handle: only asynchronously the caller does not wait */
  bool is_submitted; /* its results come later */
  bool needs_reply;  /* makes no sense one-way */
  hf_reason reason;  /* why it can't be sent */
  uint32_t value_count;
  Holdfast__Value values[REQUEST_VALUES_MAX];
  struct arena arena; /* tuples, and lists of values */
};

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

/* Options of the public API, which may grow: fills *known, all zero; see sized.h. */
void request_options(struct request *request, void *known, size_t known_size, const void *given,
                     size_t given_size);
/* Completes it: the operation's message, or its bytes. */
void request_arm(struct request *request, const ProtobufCMessage *arm);
void request_arm_packed(struct request *request, struct bytes arm);
/* Whether it can be sent. HF_OK | an error, which is the thread's last then */
hf_status request_check(struct request *request);

#endif
