/* A request: an operation, its target and arguments, and the destinations of its results.
 *
 *   request_of -> request_value .. -> request_send (call.h), or call_now (plain.h)
 *
 * layer   client, call
 * memory  A request is on the caller's stack; values are borrowed until the request is sent.
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
  int64_t wait_ms;    /* how long the operation may wait on the server; HF_FOREVER */
  bool is_now;        /* the library needs the reply: the call waits for it in each call mode */
  bool is_opening;    /* opens a handle: the call waits in each call mode but asynchronous */
  bool is_submitted;  /* the results are set later */
  bool needs_reply;   /* can't be one-way */
  bool outlives_call; /* is performed also if the call is given up, see window.h */
  uint64_t retains;   /* see window.h */
  hf_reason reason;   /* why the request can't be sent; HF_REASON_NONE */
  uint32_t value_count;
  Holdfast__Value values[REQUEST_VALUES_MAX];
  struct arena arena; /* tuples, and lists of values */
};

/* A request on the handle's object, of any kind. Without request_wait the operation does not wait;
 * without request_result it returns nothing. */
void request_of(struct request *request, const void *handle, uint32_t operation);
/* A request on the connection itself. */
void request_of_conn(struct request *request, hf_conn *conn, uint32_t operation);
/* The operation may wait that long on the server. */
void request_wait(struct request *request, int64_t timeout_ms);
/* `decode` stores the result in up to two destinations, each of which may be NULL. */
void request_result(struct request *request, result_decode decode, void *first, void *second);
/* The same for an operation that is useless without its reply. */
void request_ask(struct request *request, result_decode decode, void *first, void *second);

/* The message of a value; request_send reports errors. At most REQUEST_VALUES_MAX per request. */
Holdfast__Value *request_value(struct request *request, const hf_value *value);
/* NULL for NULL. */
Holdfast__Value *request_optional(struct request *request, const hf_value *value);
/* Messages of several values. NULL if count is 0, and after an error, with *message_count 0. */
Holdfast__Value **request_values(struct request *request, const hf_value *values, size_t count,
                                 size_t *message_count);
Holdfast__Entry **request_entries(struct request *request, const struct hf_entry *entries,
                                  size_t count, size_t *message_count);
Holdfast__Slice request_slice(struct hf_slice slice);

/* Options of the public API, whose struct may grow: fills *known, which is all zero; see sized.h.
 */
void request_options(struct request *request, void *known, size_t known_size, const void *given,
                     size_t given_size);
/* Sets the operation's message, or its packed bytes. */
void request_arm(struct request *request, const ProtobufCMessage *arm);
void request_arm_packed(struct request *request, struct bytes arm);
/* Whether the request can be sent. HF_OK | an error, also the thread's last error */
hf_status request_check(struct request *request);

#endif
