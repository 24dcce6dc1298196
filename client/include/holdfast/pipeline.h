/* Many calls at once: pipelines, and calls without replies.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_PIPELINE_H
#define HOLDFAST_PIPELINE_H

#include <holdfast/connection.h>

HF_BEGIN_DECLARATIONS

/* Submit now, collect later. Between begin and end, calls that this thread makes on `conn` and its
 * handles are sent and return at once; their results are set, and their errors known, when
 * hf_pipeline_end returns, so what they point to must live until then. They are applied in the
 * order they were made. At most `in_flight` are under way at a time (0: what the server allows);
 * one more call first collects the oldest.
 *
 *   if (hf_pipeline_begin(conn, 64) != HF_OK) ...
 *   for (int i = 0; i < 1000; i++) hf_kept(hf_dict_get(d, hf_int(i), &values[i]));
 *   hf_status status = hf_pipeline_end(conn, &result);
 *
 * FAILED_PRECONDITION ALREADY_OPEN one is open already on this thread, or one of the modes below
 */
HF_CHECKED hf_status hf_pipeline_begin(hf_conn *conn, uint32_t in_flight);

struct hf_pipeline_result {
  uint64_t submitted;    /* calls made since begin */
  uint64_t failed;       /* of them */
  uint64_t first_failed; /* index of the first that failed; hf_last_error() is its error */
};
/* Collects everything. HF_OK when all calls were; else the status of the first that failed. Results
 * of the others are set. out result may be NULL. */
HF_CHECKED hf_status hf_pipeline_end_sized(hf_conn *conn, struct hf_pipeline_result *result,
                                           size_t result_size);
HF_INLINE hf_status hf_pipeline_end(hf_conn *conn, struct hf_pipeline_result *result) {
  return hf_pipeline_end_sized(conn, result, sizeof *result);
}
/* Collects what is under way and goes on. A call's status, if it failed, is reported by end. */
HF_CHECKED hf_status hf_pipeline_collect(hf_conn *conn);
/* Status of the idx-th call since begin, once collected: HF_OK or its error, kept for the first
 * 1,024 failures. */
HF_API hf_status hf_pipeline_status(hf_conn *conn, uint64_t idx);

/* One-way: between begin and end, calls of this thread that return nothing or whose out parameters
 * are NULL are pushed without a reply (PUSH/PULL), the fastest way in. Others answer UNIMPLEMENTED
 * NOT_ONE_WAY. They are applied in order, each once, even over lost connections. Only hf_flush
 * orders them among other calls: keep the handles and references they use until then.
 * FAILED_PRECONDITION ALREADY_OPEN */
HF_CHECKED hf_status hf_oneway_begin(hf_conn *conn);
/* Sends what is gathered. UNAVAILABLE: it is kept, and goes with the next end or flush. */
HF_CHECKED hf_status hf_oneway_end(hf_conn *conn);
struct hf_flush_result {
  uint64_t sent, failed;  /* since the last flush */
  hf_status first_status; /* of the first failure */
  char first_reason[64];
};
/* Waits until every one-way call made on conn so far is done on the server, resending what was
 * lost. HF_OK all were applied, or failed and are counted in result (may be NULL) |
 * DEADLINE_EXCEEDED */
HF_CHECKED hf_status hf_flush_sized(hf_conn *conn, int64_t timeout_ms,
                                    struct hf_flush_result *result, size_t result_size);
HF_INLINE hf_status hf_flush(hf_conn *conn, int64_t timeout_ms, struct hf_flush_result *result) {
  return hf_flush_sized(conn, timeout_ms, result, sizeof *result);
}

HF_END_DECLARATIONS

#endif
