/* Asynchronous calls, for event loops: included by <holdfast/holdfast.h>.
 *
 * A call is submitted and returns at once; its completion is collected later, when a descriptor has
 * become readable. Works with epoll, poll, libuv, asyncio. Neither submitting nor collecting waits:
 * reconnecting and resuming the session are steps of collecting. The library starts no thread,
 * except the one that asks the resolver, as for all calls.
 *
 *   hf_async *async;
 *   struct hf_completion done;
 *   if (hf_async_open(conn, &async) != HF_OK) ...
 *   ... add hf_async_descriptor(async) to the event loop, for reading ...
 *
 *   hf_async_begin(async, job);                               submits:
 *   status = hf_queue_get(queue, HF_FOREVER, &job->value);    HF_OK: in flight
 *   hf_async_end(async);
 *
 *   while (hf_async_collect(async, &done)) finish(done.data, done.status);     when readable
 *
 * threads  One thread uses an hf_async, that of the event loop. Other threads may make calls on the
 *          connection meanwhile, and so may the event loop's thread outside begin and end.
 * memory   Out parameters of a submitted call must live until its completion was collected or the
 *          hf_async is closed. Arguments are copied.
 */
#ifndef HOLDFAST_ASYNC_H
#define HOLDFAST_ASYNC_H

#include <holdfast/connection.h>

HF_BEGIN_DECLARATIONS

typedef struct hf_async hf_async;

/* A connection has at most one open: FAILED_PRECONDITION ALREADY_OPEN. RESOURCE_EXHAUSTED
 * NO_MEMORY, also without descriptors. A forked child opens its own. */
HF_CHECKED hf_status hf_async_open(hf_conn *conn, hf_async **async);
/* To be called before hf_close. Calls in flight are withdrawn and have no completion. Results that
 * had arrived are in their out parameters, those of calls of several operations are dropped: to lose
 * none, collect until false first. What a withdrawn call held is given back now, or with the
 * connection's next call; but an end of a pipe that was being attached stays so until the session ends, or
 * is attached again and closed. NULL is ignored. */
HF_API void hf_async_close(hf_async *async);
/* Readable when hf_async_collect has work. An epoll descriptor: only wait on it. -1 in a forked
 * child. */
HF_API int hf_async_descriptor(const hf_async *async);

/* From now on calls of this thread on the connection are submitted, with `data` in their
 * completion; a further begin changes `data`. A call answers HF_OK if it is in flight, and then has
 * one completion; else its error, and has none: RESOURCE_EXHAUSTED IN_FLIGHT_FULL beyond 1,024
 * calls, collect some first.
 *
 * Any operation may be submitted; transactions and wait-any (batch.h) as one call. Values and
 * arrays are read and written by the server then. A call of several operations has one completion
 * too, and each of its operations has the call timeout: hf_dict_next (one at a time per scan; also
 * if the entry is there already), the listings, hf_pipe_open and hf_pipe_new, hf_cell_exchange, and
 * ranges of arrays beyond 1 MiB, under the Array's lock, which other calls of this thread don't
 * wait for. Its handles, and that of hf_pipe_attach, stay open until the completion. The listings and
 * hf_dict_next also end with UNAVAILABLE when their pages took longer than the call timeout altogether,
 * counted from the submission. While a batch is open above, calls that open handles and hf_pipe_attach
 * are submitted as calls of their own.
 *
 * FAILED_PRECONDITION ALREADY_OPEN: hf_condition_wait_for, hf_barrier_wait with an action and
 * hf_server_backup, which call the program; load and add of numbers.h, whose answer has no place to
 * be stored later (hf_cell_get_int, hf_cell_get_float, hf_cell_add_int, hf_array_get and
 * hf_array_add do the same and may be submitted); hf_reference_open of an item of a tuple
 * (hf_object_open does the same and may be submitted); ranges of an array whose handle
 * hf_reference_open has given, before its first other use.
 * Performed at once and without a completion: hf_reference_open of another reference,
 * hf_condition_wait_for if the predicate is true already, load, store, add and exchange of a mapped
 * raw cell. hf_flush waits. Closing a handle takes effect with the next call; closing a pipe waits for the server.
 *
 * FAILED_PRECONDITION ALREADY_OPEN a pipeline, batch or one-way is open on this thread */
HF_CHECKED hf_status hf_async_begin(hf_async *async, void *data);
/* Sends what was submitted. Calls of this thread wait for their replies again. */
HF_API void hf_async_end(hf_async *async);
/* The id of the call submitted last; ids count from 1. */
HF_API uint64_t hf_async_last_id(const hf_async *async);

struct hf_completion {
  uint64_t id;
  void *data;
  hf_status status; /* the call's. UNAVAILABLE also when it took longer than its timeout_ms and the
                     * call timeout */
  const char *reason, *message; /* as in hf_error; borrowed until the next is collected */
};
/* Performs the work that is due, without waiting, and gives the next completion. false: there is
 * none now, and the descriptor becomes readable when there is. To be called until false. */
HF_CHECKED bool hf_async_collect_sized(hf_async *async, struct hf_completion *completion,
                                       size_t completion_size);
HF_INLINE bool hf_async_collect(hf_async *async, struct hf_completion *completion) {
  return hf_async_collect_sized(async, completion, sizeof *completion);
}
/* Withdraws one call, as hf_cancel withdraws all. The call completes in any case: with CANCELLED,
 * or with its result if it had just been performed. Of several operations the first ones may have
 * been performed. Ignored if the call is complete already. */
HF_API void hf_async_cancel(hf_async *async, uint64_t id);

HF_END_DECLARATIONS

#endif
