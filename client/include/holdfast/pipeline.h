/* Many calls at once: pipelines, and calls without replies.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_PIPELINE_H
#define HOLDFAST_PIPELINE_H

#include <holdfast/connection.h>

HF_BEGIN_DECLARATIONS

/* Pipelines: submit now, collect later. Between begin and end, calls of this thread on `conn` and
 * its handles are sent and return at once. hf_pipeline_end sets their results and reports their
 * errors; out parameters must live until then. The server performs the calls in the order they were
 * made. At most `in_flight` are in flight (0: as many as the server allows); one more call first
 * collects the oldest.
 *
 *   if (hf_pipeline_begin(conn, 64) != HF_OK) ...
 *   for (int i = 0; i < 1000; i++) hf_kept(hf_dict_get(d, hf_int(i), &values[i]));
 *   hf_status status = hf_pipeline_end(conn, &result);
 *
 * FAILED_PRECONDITION ALREADY_OPEN this thread has a pipeline, one-way, batch or hf_async open */
HF_CHECKED hf_status hf_pipeline_begin(hf_conn *conn, uint32_t in_flight);

struct hf_pipeline_result {
  uint64_t submitted;    /* calls made since begin */
  uint64_t failed;       /* of them */
  uint64_t first_failed; /* index of the first that failed; hf_last_error() is its error */
};
/* Collects all calls. HF_OK all succeeded; else the status of the first that failed, and the
 * results of the others are set. out result may be NULL. */
HF_CHECKED hf_status hf_pipeline_end_sized(hf_conn *conn, struct hf_pipeline_result *result,
                                           size_t result_size);
HF_INLINE hf_status hf_pipeline_end(hf_conn *conn, struct hf_pipeline_result *result) {
  return hf_pipeline_end_sized(conn, result, sizeof *result);
}
/* Collects all calls in flight; the pipeline stays open. hf_pipeline_end reports their errors. */
HF_CHECKED hf_status hf_pipeline_collect(hf_conn *conn);
/* The status of the idx-th call since begin, once collected; an error becomes the thread's last
 * error. Kept until the thread's next hf_pipeline_begin; beyond 1,024 failures without the server's message. */
HF_API hf_status hf_pipeline_status(hf_conn *conn, uint64_t idx);

/* How many calls this thread has made since begin in the pipeline, batch or hf_async (there since
 * hf_async_open) that it has open on conn; the next call in a pipeline has that index. 0: none is
 * open, or one-way. A call that was answered without a request is not counted. */
HF_API uint64_t hf_calls_made(hf_conn *conn);

/* One-way calls: between begin and end, calls of this thread that return nothing or whose out
 * parameters are NULL are pushed without replies (PUSH/PULL), the fastest way to send. Other calls,
 * and those that wait for something or acquire it, answer UNIMPLEMENTED NOT_ONE_WAY. The server performs them in order, each exactly once, across
 * lost connections too. Only hf_flush orders them relative to other calls: keep the handles and
 * references they use until then. FAILED_PRECONDITION ALREADY_OPEN */
HF_CHECKED hf_status hf_oneway_begin(hf_conn *conn);
/* Sends the buffered calls. UNAVAILABLE: they stay buffered, and the next end or flush sends them.
 */
HF_CHECKED hf_status hf_oneway_end(hf_conn *conn);
struct hf_flush_result {
  uint64_t sent, failed;  /* since the last flush */
  hf_status first_status; /* of the first failure */
  char first_reason[64];
};
/* Waits until the server has performed every one-way call made on conn so far, and resends lost
 * ones. HF_OK all succeeded, or failed and are counted in result (may be NULL) | DEADLINE_EXCEEDED
 */
HF_CHECKED hf_status hf_flush_sized(hf_conn *conn, int64_t timeout_ms,
                                    struct hf_flush_result *result, size_t result_size);
HF_INLINE hf_status hf_flush(hf_conn *conn, int64_t timeout_ms, struct hf_flush_result *result) {
  return hf_flush_sized(conn, timeout_ms, result, sizeof *result);
}

HF_END_DECLARATIONS

#endif
