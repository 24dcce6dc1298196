/* Holdfast: dicts, lists, queues, pipes, values, arrays and locks shared by processes on any
 * number of hosts, with the behaviour of Python's multiprocessing.Manager.
 *
 *   hf_conn *conn;
 *   hf_dict *squares;
 *   if (hf_connect(NULL, NULL, &conn) != HF_OK || hf_dict_open(conn, "squares", &squares) != HF_OK)
 *     errx(1, "%s", hf_last_error()->message);
 *   hf_dict_set(squares, hf_int(3), hf_int(9));
 *
 * errors   Every call that can fail returns an hf_status, gRPC's canonical codes. Results go
 *          through the last parameters and are set only on HF_OK. hf_last_error() has the reason
 *          and the sentence. Each call lists the statuses of its own; besides those any call may
 *          answer UNAVAILABLE (no server within the call timeout), FAILED_PRECONDITION
 *          SESSION_ENDED (the server was restarted, or the connection was lost for longer than the
 *          grace time: connect again), INVALID_ARGUMENT WRONG_KIND, ABORTED OBJECT_DELETED or
 *          NOT_FOUND NO_SUCH_OBJECT (the object was deleted), RESOURCE_EXHAUSTED MEMORY_FULL.
 * time     timeout_ms is relative, in milliseconds: HF_FOREVER waits without limit, 0 not at all,
 *          another negative number is INVALID_ARGUMENT NEGATIVE_TIMEOUT. A wait that is cut short
 *          by a lost connection goes on over the next one; nothing is done twice. A call ends within
 *          its timeout_ms and the call timeout together, whatever server and network do; a session
 *          that was resumed, and has answered something since, starts that once more, once.
 * threads  A connection and its handles may be used by any number of threads. No thread is started, but for
 *          one that asks the resolver for the address of a host that has neither a number nor a line
 *          in /etc/hosts: it blocks all signals, and ends by itself.
 *          No call is a cancellation point of pthread_cancel. A stack of 16 KiB is enough; only
 *          the resolver that hf_connect asks for a host's name may want more.
 * fork     A child has its parent's connections, handles, ends of pipes and references, whatever the
 *          parent does from then on: closes them, exits, is killed. On first use it connects on its
 *          own, with its own session; before it has no descriptor of the library's, and may close
 *          all there are. Closing a handle is a use, and so is forking: a child's child inherits too.
 *          Locks held by the parent stay the parent's. fork() asks the server twice if something is
 *          open, and waits for half a second each time at most; a child that the server does not
 *          know then, or that calls only long after its parent on another machine has ended, has
 *          what still exists.
 * memory   hf_value arguments and strings are borrowed for the call. Values that come back are
 *          given: hf_value_clear() frees them. Handles are freed by hf_*_close().
 */
#ifndef HOLDFAST_HOLDFAST_H
#define HOLDFAST_HOLDFAST_H

#include <holdfast/array.h>
#include <holdfast/async.h>
#include <holdfast/barrier.h>
#include <holdfast/base.h>
#include <holdfast/batch.h>
#include <holdfast/cell.h>
#include <holdfast/condition.h>
#include <holdfast/connection.h>
#include <holdfast/dict.h>
#include <holdfast/event.h>
#include <holdfast/list.h>
#include <holdfast/lock.h>
#include <holdfast/memory.h>
#include <holdfast/namespace.h>
#include <holdfast/object.h>
#include <holdfast/pipe.h>
#include <holdfast/pipeline.h>
#include <holdfast/queue.h>
#include <holdfast/semaphore.h>
#include <holdfast/slice.h>
#include <holdfast/value.h>

#endif
