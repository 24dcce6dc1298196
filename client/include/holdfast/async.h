/* Asynchronous calls, for event loops: included by <holdfast/holdfast.h>.
 *
 * A call is submitted and returns at once; its completion is collected later, when a descriptor has
 * become readable. Works with epoll, poll, libuv, asyncio. Neither collecting nor submitting waits:
 * connecting again and resuming the session happen while completions are collected. No thread is
 * started, but for the one that asks the resolver, as for all calls.
 *
 *   hf_async *async;
 *   struct hf_completion done;
 *   if (hf_async_open(conn, &async) != HF_OK) ...
 *   ... add hf_async_descriptor(async) to the event loop, to be told when it is readable ...
 *
 *   hf_async_begin(async, job);                               submits:
 *   status = hf_queue_get(queue, HF_FOREVER, &job->value);    HF_OK: under way
 *   hf_async_end(async);
 *
 *   while (hf_async_collect(async, &done)) finish(done.data, done.status);     when readable
 *
 * threads  An hf_async is used by one thread, that of the loop. Meanwhile other threads may make calls
 *          on the connection, and the loop's thread may make calls that wait, outside begin and end.
 * memory   What a submitted call's out parameters point to must live until its completion was
 *          collected, or the hf_async is closed. Arguments are copied.
 */
#ifndef HOLDFAST_ASYNC_H
#define HOLDFAST_ASYNC_H

#include <holdfast/connection.h>

HF_BEGIN_DECLARATIONS

typedef struct hf_async hf_async;

/* One of each connection at a time: FAILED_PRECONDITION ALREADY_OPEN. RESOURCE_EXHAUSTED NO_MEMORY,
 * also without descriptors. A forked child opens its own. */
HF_CHECKED hf_status hf_async_open(hf_conn *conn, hf_async **async);
/* Before hf_close. Calls that are under way are withdrawn and have no completion. Results that had come
 * are in their out parameters: to lose none, collect until false first. NULL is harmless. */
HF_API void hf_async_close(hf_async *async);
/* Readable when hf_async_collect has something to do. An epoll descriptor: it is only to be waited
 * for. -1 in a forked child. */
HF_API int hf_async_descriptor(const hf_async *async);

/* From now on calls of this thread on the connection are submitted, with `data` in their completion;
 * called again: with other data. A call answers HF_OK: it is under way and has one completion; or its
 * error, and has none: RESOURCE_EXHAUSTED IN_FLIGHT_FULL beyond 1,024, collect some first.
 *
 * Any operation may be submitted; values and arrays are read and written by the server meanwhile.
 * Calls that are more than one operation answer FAILED_PRECONDITION ALREADY_OPEN: hf_dict_next,
 * hf_pipe_open and hf_pipe_new, hf_list_objects, hf_list_locks, hf_cell_exchange, the
 * hf_..._load/add/exchange calls, hf_condition_wait_for, hf_barrier_wait with an action,
 * hf_reference_open of an item of a tuple, hf_ping, ranges of arrays beyond 1 MiB. Done at once, and
 * without a completion: hf_reference_open of another reference, hf_condition_wait_for if the predicate
 * holds already, load, store, add and exchange of a raw cell that is mapped. Closing a handle
 * takes effect with the next call; closing a pipe waits for the server.
 *
 * FAILED_PRECONDITION ALREADY_OPEN a pipeline, batch or one-way is open on this thread */
HF_CHECKED hf_status hf_async_begin(hf_async *async, void *data);
/* Sends what was submitted. Calls of this thread wait again. */
HF_API void hf_async_end(hf_async *async);
/* The number of the call submitted last; they count from 1. */
HF_API uint64_t hf_async_last_id(const hf_async *async);

struct hf_completion {
  uint64_t id;
  void *data;
  hf_status status; /* the call's. UNAVAILABLE also when it took longer than its timeout_ms and the
                     * call timeout */
  const char *reason, *message; /* as in hf_error; borrowed until the next is collected */
};
/* Does what there is to do without waiting, and gives the next completion. false: none now; the
 * descriptor tells of the next. Call it until then. */
HF_CHECKED bool hf_async_collect_sized(hf_async *async, struct hf_completion *completion,
                                       size_t completion_size);
HF_INLINE bool hf_async_collect(hf_async *async, struct hf_completion *completion) {
  return hf_async_collect_sized(async, completion, sizeof *completion);
}
/* Withdraws one call, as hf_cancel does all. Its completion comes in any case: CANCELLED, or its
 * result if it had just come about. Harmless when it is there already. */
HF_API void hf_async_cancel(hf_async *async, uint64_t id);

HF_END_DECLARATIONS

#endif
