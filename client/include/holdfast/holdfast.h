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
 *          and the sentence; <holdfast/status.h> has all of them. Each call lists the statuses of
 *          its own; besides those any call may answer
 *            UNAVAILABLE          no server within the call timeout; LOADING: one that loads its
 *                                 state; STOPPING
 *            FAILED_PRECONDITION  SESSION_ENDED: a server without --data was restarted, or the
 *                                 connection was lost for longer than the grace time: connect again
 *            NOT_FOUND            NO_SUCH_OBJECT, or ABORTED OBJECT_DELETED: it was deleted
 *            INVALID_ARGUMENT     WRONG_KIND; of values BAD_TEXT, TOO_DEEP; of keys NOT_HASHABLE
 *            RESOURCE_EXHAUSTED   MEMORY_FULL; JOURNAL_FULL: the server's disk; QUOTA_..., TOO_FAST:
 *                                 what the user may use; IN_FLIGHT_FULL; NO_MEMORY
 *            PERMISSION_DENIED    NO_RIGHT
 *            UNAUTHENTICATED      the user or the key is not admitted any more
 *            CANCELLED            the call was cancelled
 * time     timeout_ms is relative, in milliseconds: HF_FOREVER waits without limit, 0 does not
 *          wait, another negative number is INVALID_ARGUMENT NEGATIVE_TIMEOUT. A wait continues
 *          across a lost connection, and no call is performed twice. A call returns within its
 *          timeout_ms plus the call timeout, whatever the server and the network do; resuming the
 *          session, if the server has answered something since, starts this span again, once.
 *          While no server can be reached a call ends UNAVAILABLE when the call timeout is over, 10 s,
 *          one with HF_FOREVER too: raise hf_options.call_timeout_ms to outlast longer restarts. A
 *          server with --data goes on with the session after a restart, its locks and waits included,
 *          if the client comes back within the grace time.
 * threads  Any number of threads may use a connection and its handles. The library starts no
 *          thread, except one that asks the resolver for the address of a host that has neither a
 *          number nor a line in /etc/hosts: that thread blocks all signals, and ends by itself. No
 *          call is a cancellation point of pthread_cancel. A stack of 16 KiB is enough, over TLS one
 *          of 64; the resolver, which hf_connect asks for a host's name, may need more.
 * fork     A child inherits its parent's connections, handles, ends of pipes and references,
 *          whether the parent then closes them, exits, or is killed. At its first use the child
 *          connects, with a session of its own; until then it has no descriptor of the library, and
 *          may close all descriptors. Closing a handle is a use, and so is forking: a child's child
 *          inherits too. Locks that the parent owns stay the parent's. If a connection is open,
 *          fork() sends two requests to the server, and waits at most half a second for each. If
 *          the server did not answer, or if the child's first use is long after its parent on
 *          another machine has ended, the child has those objects that still exist.
 * memory   hf_value arguments and strings are borrowed for the call. Values that calls return are
 *          given: free them with hf_value_clear(). Handles are freed by hf_*_close().
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
