/* Calls that are gathered and done as one: a wait for any of several, transactions.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_BATCH_H
#define HOLDFAST_BATCH_H

#include <holdfast/connection.h>

HF_BEGIN_DECLARATIONS

/* Wait-any: between begin and end, calls of this thread on conn that may wait (queue get,
 * get_many and reserve, pipe recv and poll, acquire of locks and semaphores, event wait, cell wait,
 * dict wait) are gathered and return at once. hf_wait_any_end waits until one of them can go on, does
 * that one and no other, and sets its results; what they point to must live until then. Their own
 * timeouts are not waited for. When several can go on, the first made does. Opening and closing
 * handles goes on as usual; a forked child has gathered nothing.
 *
 *   if (hf_wait_any_begin(conn) != HF_OK) ...
 *   hf_kept(hf_queue_get(urgent, HF_FOREVER, &task));
 *   hf_kept(hf_event_wait(stop, HF_FOREVER, &is_set));
 *   hf_status status = hf_wait_any_end(conn, 1000, &index);
 *
 * begin: FAILED_PRECONDITION ALREADY_OPEN a pipeline, one-way, wait-any or transaction is open on this
 * thread. end: out index, from 0: of the call that was done, or failed; the status is that call's,
 * or DEADLINE_EXCEEDED TIMED_OUT, INVALID_ARGUMENT NOT_NESTABLE a call that can't wait,
 * BAD_ARGUMENT no call at all, or what a call answered that could not be gathered. Either way
 * gathering is over. RESOURCE_EXHAUSTED TOO_MANY_FIELDS beyond 64 calls. */
HF_CHECKED hf_status hf_wait_any_begin(hf_conn *conn);
HF_CHECKED hf_status hf_wait_any_end(hf_conn *conn, int64_t timeout_ms, size_t *index);

/* Transactions: between begin and commit, calls of this thread on conn are gathered and return at
 * once, also the conditions hf_require_*. Commit does all of them with nothing in between, in one
 * round trip, if all conditions hold, else none; results are set on HF_OK. With a timeout other
 * than 0 it waits until the conditions hold. A gathered call never waits by itself: an empty queue
 * is QUEUE_EMPTY and undoes the whole. Calls that can be gathered: get, set, delete, contains, len,
 * pop, setdefault, add, compare_and_set, replace of dicts; get, set, append, insert, pop, delete by
 * index, len, add, compare_and_set of lists; plain put, get, size of queues; get, set, add,
 * compare_and_set of values; get, set, add of arrays; acquire and release of locks and semaphores;
 * set, clear, is_set of events.
 *
 *   if (hf_transaction_begin(conn) != HF_OK) ...
 *   hf_kept(hf_require_owned(lock, grant.token));
 *   hf_kept(hf_dict_add(accounts, hf_text("a"), hf_int(-10), NULL));
 *   hf_kept(hf_dict_add(accounts, hf_text("b"), hf_int(10), NULL));
 *   hf_status status = hf_transaction_commit(conn, 0, NULL);
 *
 * begin: FAILED_PRECONDITION ALREADY_OPEN. commit: ABORTED CONDITION_NOT_MET | DEADLINE_EXCEEDED
 * CONDITION_NOT_MET after a wait | FAILED_PRECONDITION TOKEN_STALE | the status of the call that
 * failed, or could not be gathered | INVALID_ARGUMENT NOT_NESTABLE, BAD_ARGUMENT nothing at all |
 * RESOURCE_EXHAUSTED TOO_MANY_FIELDS beyond 1,024 parts, REQUEST_TOO_BIG a wait with more than 64
 * KiB, NO_MEMORY for a result: all is done then, and the results before that part are set. Either
 * way gathering is over. */
HF_CHECKED hf_status hf_transaction_begin(hf_conn *conn);
/* out part (may be NULL), after an error: which one it is about, from 1, conditions first and then
 * calls, each in the order they were made; 0: none of them. */
HF_CHECKED hf_status hf_transaction_commit(hf_conn *conn, int64_t timeout_ms, size_t *part);
/* Forgets what was gathered by begin of either kind. */
HF_API void hf_transaction_drop(hf_conn *conn);

HF_END_DECLARATIONS

#endif
