/* Decoders of results: from an arm of a Response to the out parameters of a call.
 *
 * layer   client, call
 * threads Connection's mutex held: decoders run in the thread that received the reply.
 */
#ifndef HF_CLIENT_RESULTS_H
#define HF_CLIENT_RESULTS_H

#include "client/src/connection/reply.h"

/* Each out parameter may be NULL. HF_REASON_NONE | BAD_REPLY NO_MEMORY, nothing set or taken. */

/* first: hf_value * */
hf_reason result_value(hf_conn *conn, const Holdfast__Response *reply, const struct result *result);
/* first: int64_t * | double * */
hf_reason result_int(hf_conn *conn, const Holdfast__Response *reply, const struct result *result);
hf_reason result_float(hf_conn *conn, const Holdfast__Response *reply, const struct result *result);
/* first: hf_value **, second: size_t * */
hf_reason result_values(hf_conn *conn, const Holdfast__Response *reply,
                        const struct result *result);
/* first: struct hf_entry **, second: size_t * */
hf_reason result_entries(hf_conn *conn, const Holdfast__Response *reply,
                         const struct result *result);
/* first: struct hf_entry * */
hf_reason result_entry(hf_conn *conn, const Holdfast__Response *reply, const struct result *result);
/* first: bool * */
hf_reason result_flag(hf_conn *conn, const Holdfast__Response *reply, const struct result *result);
/* first: uint64_t * */
hf_reason result_count(hf_conn *conn, const Holdfast__Response *reply, const struct result *result);
/* first: size_t * */
hf_reason result_size(hf_conn *conn, const Holdfast__Response *reply, const struct result *result);
/* first: bool *, second: hf_value * */
hf_reason result_exchange(hf_conn *conn, const Holdfast__Response *reply,
                          const struct result *result);
struct acting {
  bool acts;
  uint64_t round; /* 0: the server doesn't number them */
};
/* first: uint64_t * index, second: struct acting * */
hf_reason result_arrival(hf_conn *conn, const Holdfast__Response *reply,
                         const struct result *result);
/* first: result.size bytes */
hf_reason result_bytes(hf_conn *conn, const Holdfast__Response *reply, const struct result *result);
/* first: struct hf_grant * */
hf_reason result_grant(hf_conn *conn, const Holdfast__Response *reply, const struct result *result);

/* first: struct hf_reservation * */
hf_reason result_reservation(hf_conn *conn, const Holdfast__Response *reply,
                             const struct result *result);

/* Copies entries, for result_entries and the decoder of a page. */
hf_reason result_copy_entries(hf_conn *conn, Holdfast__Entry *const *items, size_t count,
                              struct hf_entry **entries);
/* Copies text and terminates it with a NUL; cuts text that is too long. */
void result_copy_text(char *to, size_t capacity, ProtobufCBinaryData from);

#endif
