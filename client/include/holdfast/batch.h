/* Batches: calls that are sent as one request, which are wait-any and transactions. In an hf_async
 * the request is submitted as one call: end and commit return at once, with HF_OK if it is in
 * flight, and the index or part must live until its completion, which has the status.
 * Included by <holdfast/holdfast.h>.
 */
#ifndef HOLDFAST_BATCH_H
#define HOLDFAST_BATCH_H

#include <holdfast/connection.h>

HF_BEGIN_DECLARATIONS

/* Wait-any: waits for any of several objects. Between begin and end, the calls of this thread on
 * conn that may wait (queue get, get_many and reserve, pipe recv and poll, acquire of locks and
 * semaphores, event wait, cell wait, dict wait) are added to the batch and return at once; their
 * own timeouts are ignored. hf_wait_any_end waits until one of them can proceed, performs that call
 * alone and sets its results; its out parameters must live until then. If several can proceed, the
 * call made first is performed. Opening and closing handles is unaffected. A forked child starts
 * with no batch.
 *
 *   if (hf_wait_any_begin(conn) != HF_OK) ...
 *   hf_kept(hf_queue_get(urgent, HF_FOREVER, &task));
 *   hf_kept(hf_event_wait(stop, HF_FOREVER, &is_set));
 *   hf_status status = hf_wait_any_end(conn, 1000, &index);
 *
 * begin: FAILED_PRECONDITION ALREADY_OPEN a pipeline, one-way or batch is open on this thread. end:
 * out index, from 0: the call that was performed or failed. The status is that of this call, or DEADLINE_EXCEEDED TIMED_OUT | INVALID_ARGUMENT NOT_NESTABLE the batch has a call
 * that can't wait, BAD_ARGUMENT the batch is empty | RESOURCE_EXHAUSTED TOO_MANY_FIELDS more than
 * 64 calls | the error of a call that could not be added. The batch is closed in each case. */
HF_CHECKED hf_status hf_wait_any_begin(hf_conn *conn);
HF_CHECKED hf_status hf_wait_any_end(hf_conn *conn, int64_t timeout_ms, size_t *index);

/* Transactions. Between begin and commit, the calls of this thread on conn and the conditions
 * hf_require_* are added to the batch and return at once. Commit sends one request: if all
 * conditions are true, the server performs all calls with nothing in between, else none. Results are
 * set on HF_OK. With a timeout other than 0 commit waits until the conditions are true. A call in a
 * transaction never waits by itself: get on an empty queue is QUEUE_EMPTY and undoes the
 * transaction. Calls that a transaction may have: get, set, delete, contains, len, pop, setdefault,
 * add, compare_and_set, replace of dicts; get, set, append, insert, pop, delete by index, len, add,
 * compare_and_set of lists; plain put, get, size of queues; get, set, add, compare_and_set of
 * values; get, set, add of arrays; acquire and release of locks and semaphores; set, clear, is_set
 * of events.
 *
 *   if (hf_transaction_begin(conn) != HF_OK) ...
 *   hf_kept(hf_require_owned(lock, grant.token));
 *   hf_kept(hf_dict_add(accounts, hf_text("a"), hf_int(-10), NULL));
 *   hf_kept(hf_dict_add(accounts, hf_text("b"), hf_int(10), NULL));
 *   hf_status status = hf_transaction_commit(conn, 0, NULL);
 *
 * begin: FAILED_PRECONDITION ALREADY_OPEN. commit: ABORTED CONDITION_NOT_MET | DEADLINE_EXCEEDED
 * CONDITION_NOT_MET after a wait | FAILED_PRECONDITION TOKEN_STALE | the error of a call that
 * failed or could not be added | INVALID_ARGUMENT NOT_NESTABLE, BAD_ARGUMENT the batch is empty,
 * MIXED_DURABILITY a transaction has volatile values and durable objects |
 * RESOURCE_EXHAUSTED TOO_MANY_FIELDS more than 1,024 parts, REQUEST_TOO_BIG a transaction that
 * waits has more than 64 KiB, NO_MEMORY for a result: all calls were performed, and the results
 * before that part are set. The batch is closed in each case. */
HF_CHECKED hf_status hf_transaction_begin(hf_conn *conn);
/* out part, may be NULL: on error the number of the part that failed, from 1, conditions first and
 * then calls, each in the order they were made; 0: no single part. */
HF_CHECKED hf_status hf_transaction_commit(hf_conn *conn, int64_t timeout_ms, size_t *part);
/* Discards the open batch of this thread, a transaction or a wait-any. */
HF_API void hf_transaction_drop(hf_conn *conn);

HF_END_DECLARATIONS

#endif
