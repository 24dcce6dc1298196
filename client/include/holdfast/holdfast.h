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

#include <holdfast/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HF_API __attribute__((visibility("default")))
#define HF_CHECKED __attribute__((visibility("default"), warn_unused_result))
#else
#define HF_API
#define HF_CHECKED
#endif

#define HF_FOREVER INT64_C(-1)
/* The value of a slice bound that Python would leave out or call None. */
#define HF_OMITTED INT64_MIN

/* ------------------------------------------------------------------ errors */

struct hf_error {
  hf_status status;
  const char *reason;  /* a stable word such as "NO_SUCH_KEY"; "" when there is none */
  const char *message; /* a sentence for people */
};

/* The error of this thread's last failed call. Borrowed until its next failed call; never NULL. */
HF_API const struct hf_error *hf_last_error(void);

/* ------------------------------------------------------------------ values */

/* The kinds of object; also what a reference refers to. The numbers are the wire's. */
typedef enum hf_kind {
  HF_ANY = 0,
  HF_DICT = 1,
  HF_LIST = 2,
  HF_QUEUE = 3,
  HF_PIPE = 4,
  HF_NAMESPACE = 5,
  HF_VALUE = 6,
  HF_ARRAY = 7,
  HF_RAW_VALUE = 8,
  HF_RAW_ARRAY = 9,
  HF_LOCK = 10,
  HF_RLOCK = 11,
  HF_SEMAPHORE = 12,
  HF_BOUNDED_SEMAPHORE = 13,
  HF_EVENT = 14,
  HF_CONDITION = 15,
  HF_BARRIER = 16,
} hf_kind;

typedef enum hf_type {
  HF_TYPE_NONE,
  HF_TYPE_BOOL,
  HF_TYPE_INT,
  HF_TYPE_UINT, /* only integers above INT64_MAX: smaller ones are HF_TYPE_INT */
  HF_TYPE_FLOAT,
  HF_TYPE_TEXT, /* UTF-8 */
  HF_TYPE_BYTES,
  HF_TYPE_TUPLE,
  HF_TYPE_REFERENCE, /* to another object; see hf_reference_open */
  HF_TYPE_OPAQUE     /* in somebody's encoding; the server compares its bytes only */
} hf_type;

/* One datum. Copying the struct shares what it points to. */
typedef struct hf_value {
  hf_type type;
  hf_kind kind; /* of a reference: the kind of object */
  union {
    bool boolean;
    int64_t integer;
    uint64_t unsigned_integer;
    double real;
    uint64_t object;  /* reference: the object's id */
    const char *text; /* ends in a NUL that size does not count, when it came back from a call */
    const uint8_t *bytes;         /* bytes and opaque */
    const struct hf_value *items; /* tuple */
  };
  size_t size;       /* bytes of text, bytes and opaque; items of a tuple */
  const char *codec; /* of opaque, NUL-terminated */
  void *owned;       /* what hf_value_clear() frees; NULL in values made by the functions below */
} hf_value;

/* Views of the caller's data: nothing is copied, nothing to free. */
HF_API hf_value hf_none(void);
HF_API hf_value hf_bool(bool boolean);
HF_API hf_value hf_int(int64_t integer);
HF_API hf_value hf_uint(uint64_t integer);
HF_API hf_value hf_float(double real);
HF_API hf_value hf_text(const char *text); /* NUL-terminated */
HF_API hf_value hf_text_n(const char *text, size_t size);
HF_API hf_value hf_bytes(const void *bytes, size_t size);
HF_API hf_value hf_tuple(const hf_value *items, size_t count);
HF_API hf_value hf_opaque(const char *codec, const void *data, size_t size);

/* Frees a value that came back from a call and makes it none. Drops the session's hold on the
 * references in it. Harmless on values made by the functions above. */
HF_API void hf_value_clear(hf_value *value);
/* The same for an array of them, and the array. */
HF_API void hf_values_free(hf_value *values, size_t count);
/* The server's equality, of keys, conditions and waits too. Python's ==: 1, 1.0 and true are equal,
 * and 0.0 and -0.0; references by identity. Other than in Python NaN equals NaN. */
HF_API bool hf_value_equal(hf_value a, hf_value b);

struct hf_entry {
  hf_value key, value;
};
HF_API void hf_entries_free(struct hf_entry *entries, size_t count);

/* ------------------------------------------------------------------ connection */

typedef struct hf_conn hf_conn;

struct hf_options {
  int64_t call_timeout_ms; /* how long a call tries to reach the server; 0: 10,000 */
  uint32_t grace_ms;  /* how long the session outlives a lost connection; 0: the server's 5,000 */
  const char *client; /* a name for people, as of an object, copied; NULL: "program@host:pid" */
};

/* Connects and opens a session.
 *
 * in   url      tcp://HOST:PORT or ipc:///PATH; NULL: $HOLDFAST_URL, else tcp://127.0.0.1:4653
 *      options  NULL: all defaults
 * out  conn     closed by hf_close
 *
 * HF_OK | INVALID_ARGUMENT BAD_ADDRESS; BAD_ARGUMENT HOLDFAST_LOCAL (see hf_conn_path) is neither on
 * nor off | UNAVAILABLE nobody answers there | RESOURCE_EXHAUSTED SESSIONS_FULL
 */
HF_CHECKED hf_status hf_connect(const char *url, const struct hf_options *options, hf_conn **conn);

/* Says goodbye and frees the connection. Handles must be closed before, and other threads must
 * have ended what they began on it: pipelines, batches, one-way. What was sent one-way and not
 * flushed may be lost. Locks still held stay held, as in Python. NULL is harmless. */
HF_API void hf_close(hf_conn *conn);

/* One round trip. out round_trip_ns may be NULL. */
HF_CHECKED hf_status hf_ping(hf_conn *conn, uint64_t *round_trip_ns);

/* How calls get to the server now: "shared memory" where it runs on this machine as the same user
 * (to root another user's server is a stranger's too), else "tcp" or "ipc". Static. Two variables of the environment have a say:
 *
 *   HOLDFAST_LOCAL=off    no shared memory for connections made from now on, values and arrays
 *                         included
 *   HOLDFAST_LOG=connect  each connection tells which way it goes, and why, on standard error:
 *                         holdfast: worker[4711] calls tcp://127.0.0.1:4653 over shared memory */
HF_API const char *hf_conn_path(hf_conn *conn);
/* Why it is not shared memory, a sentence; "" when it is. Static. */
HF_API const char *hf_conn_path_reason(hf_conn *conn);

#define HF_MEMORY_USES_MAX 16

/* What the server's memory is used for, e.g. "values", "waiters". */
struct hf_memory_use {
  char name[16];
  uint64_t bytes;
  uint64_t bytes_max; /* 0: no more than all together */
};

struct hf_server_info {
  char version[32];
  uint64_t uptime_ms, sessions, objects, waiting, requests, duplicates, connections, memory_bytes;
  uint64_t deadlocks;        /* seen since the start */
  uint64_t memory_bytes_max; /* --memory-max; of it memory_bytes are used: */
  size_t memory_count;
  struct hf_memory_use memory[HF_MEMORY_USES_MAX];
};
HF_CHECKED hf_status hf_server_info(hf_conn *conn, struct hf_server_info *info);

/* Withdraws the calls under way on conn that wait for something on the server, of all threads; when
 * there is none, the next one that would wait. Each returns CANCELLED CANCELLED, or its result if
 * it had just come about: an item is either returned or still in its queue, never lost. A
 * condition's wait returns with its lock held again. Called once more, or while the server can't be
 * reached, it gives up at once those that have not returned, and then also calls that would not wait
 * on the server: they wait for it. A condition's wait is then left without its lock. May be called by any thread and, alone of all functions, by a signal handler:
 *
 *   static void on_interrupt(int signal) { hf_cancel(conn); }
 */
HF_API void hf_cancel(hf_conn *conn);

/* ------------------------------------------------------------------ objects */

/* Every kind has its own handle type below, with the same life:
 *
 *   hf_<kind>_open(conn, name, ..)  opens the named object, or creates it; NULL as the name creates
 *                                   an anonymous one, which lives while a session or container
 *                                   refers to it
 *   hf_<kind>_close(handle)         frees the handle and drops its reference; a named object stays
 *
 * All are views of one struct; hf_object is what the calls for any kind take. */
typedef struct hf_object hf_object;
typedef struct hf_dict hf_dict;
typedef struct hf_list hf_list;
typedef struct hf_queue hf_queue;
typedef struct hf_pipe hf_pipe;
typedef struct hf_namespace hf_namespace;
typedef struct hf_cell hf_cell;           /* Value and RawValue; `hf_value` is the datum */
typedef struct hf_array hf_array;         /* Array and RawArray */
typedef struct hf_lock hf_lock;           /* Lock and RLock */
typedef struct hf_semaphore hf_semaphore; /* Semaphore and BoundedSemaphore */
typedef struct hf_event hf_event;
typedef struct hf_condition hf_condition;
typedef struct hf_barrier hf_barrier;

#define HF_AS_OBJECT(handle) ((hf_object *)(handle))

struct hf_object_info {
  uint64_t id;
  hf_kind kind;
  char name[256]; /* "" for an anonymous object */
  uint64_t length;
  int64_t maxsize;
  char typecode;
  uint64_t waiting, holds, unfinished, token;
  bool locked;
  char holder[256];
  uint64_t value;            /* semaphores: what may still be acquired; events: 1 when set */
  uint64_t parties, arrived; /* barriers */
  bool broken;
  uint64_t delayed, reserved, buried; /* queues */
  bool shut_down;
  uint64_t lease_ms; /* locks: of the current grant; 0: none */
};

HF_API const char *hf_kind_name(hf_kind kind); /* "dict", ..., "raw_value" */
HF_API hf_kind hf_kind_find(const char *name); /* HF_ANY for an unknown one */
HF_API hf_conn *hf_object_conn(const hf_object *object);
HF_API uint64_t hf_object_id(const hf_object *object);
HF_API hf_kind hf_object_kind(const hf_object *object);
HF_CHECKED hf_status hf_object_info(hf_object *object, struct hf_object_info *info);
/* Deletes the object for everybody; who waits on it gets ABORTED OBJECT_DELETED. Close the handle
 * too. */
HF_CHECKED hf_status hf_object_delete(hf_object *object);
/* Deletes by name. NOT_FOUND NO_SUCH_OBJECT */
HF_CHECKED hf_status hf_delete(hf_conn *conn, const char *name);
/* Opens whatever has that name. NOT_FOUND NO_SUCH_OBJECT | INVALID_ARGUMENT WRONG_KIND unless kind
 * is HF_ANY */
HF_CHECKED hf_status hf_open(hf_conn *conn, const char *name, hf_kind kind, hf_object **object);
/* Frees any handle. NULL is harmless. */
HF_API void hf_object_close(hf_object *object);
/* Lists the named objects beginning with prefix, of one kind or HF_ANY. out infos is freed by
 * free(). */
HF_CHECKED hf_status hf_list_objects(hf_conn *conn, const char *prefix, hf_kind kind,
                                     struct hf_object_info **infos, size_t *count);

/* A value that refers to the object, to be stored in containers. Valid while the handle is open. */
HF_API hf_value hf_reference(const hf_object *object);
/* Turns a reference that came back from a call into a handle. `value` is taken and becomes none.
 * INVALID_ARGUMENT WRONG_TYPE not a reference from a call on this connection */
HF_CHECKED hf_status hf_reference_open(hf_conn *conn, hf_value *value, hf_object **object);

/* ------------------------------------------------------------------ many at once */

/* Submit now, collect later. Between begin and end, calls that this thread makes on `conn` and its
 * handles are sent and return at once; their results are set, and their errors known, when
 * hf_pipeline_end returns, so what they point to must live until then. They are applied in the
 * order they were made. At most `in_flight` are under way at a time (0: what the server allows);
 * one more call first collects the oldest.
 *
 *   hf_status made = hf_pipeline_begin(conn, 64);
 *   for (int i = 0; made == HF_OK && i < 1000; i++) made = hf_dict_get(d, hf_int(i), &values[i]);
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
HF_CHECKED hf_status hf_pipeline_end(hf_conn *conn, struct hf_pipeline_result *result);
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
HF_CHECKED hf_status hf_flush(hf_conn *conn, int64_t timeout_ms, struct hf_flush_result *result);

/* First of several: between begin and end, calls of this thread on conn that may wait (queue get,
 * get_many and reserve, pipe recv and poll, acquire of locks and semaphores, event wait, cell wait,
 * dict wait) are gathered and return at once. hf_first_end waits until one of them can go on, does
 * that one and no other, and sets its results; what they point to must live until then. Their own
 * timeouts are not waited for. When several can go on, the first made does. Opening and closing
 * handles goes on as usual; a forked child has gathered nothing.
 *
 *   hf_status made = hf_first_begin(conn);
 *   if (made == HF_OK) made = hf_queue_get(urgent, HF_FOREVER, &task);
 *   if (made == HF_OK) made = hf_event_wait(stop, HF_FOREVER, &is_set);
 *   hf_status status = hf_first_end(conn, 1000, &index);
 *
 * begin: FAILED_PRECONDITION ALREADY_OPEN a pipeline, one-way, first or transaction is open on this
 * thread. end: out index, from 0: of the call that was done, or failed; the status is that call's,
 * or DEADLINE_EXCEEDED TIMED_OUT, INVALID_ARGUMENT NOT_NESTABLE a call that can't wait,
 * BAD_ARGUMENT no call at all, or what a call answered that could not be gathered. Either way
 * gathering is over. RESOURCE_EXHAUSTED TOO_MANY_FIELDS beyond 64 calls. */
HF_CHECKED hf_status hf_first_begin(hf_conn *conn);
HF_CHECKED hf_status hf_first_end(hf_conn *conn, int64_t timeout_ms, size_t *index);

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
 *   hf_status made = hf_transaction_begin(conn);
 *   if (made == HF_OK) made = hf_require_held(lock, grant.token);
 *   if (made == HF_OK) made = hf_dict_add(accounts, hf_text("a"), hf_int(-10), NULL);
 *   if (made == HF_OK) made = hf_dict_add(accounts, hf_text("b"), hf_int(10), NULL);
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

/* Calls that are submitted now and collected by an event loop, when a descriptor is readable. */
#include <holdfast/async.h>

/* ------------------------------------------------------------------ dict */

/* Keys: none, bool, int, float, text, bytes, opaque, tuples of these. In insertion order. */
HF_CHECKED hf_status hf_dict_open(hf_conn *conn, const char *name, hf_dict **dict);
HF_API void hf_dict_close(hf_dict *dict);
/* NOT_FOUND NO_SUCH_KEY */
HF_CHECKED hf_status hf_dict_get(hf_dict *dict, hf_value key, hf_value *value);
HF_CHECKED hf_status hf_dict_set(hf_dict *dict, hf_value key, hf_value value);
/* NOT_FOUND NO_SUCH_KEY */
HF_CHECKED hf_status hf_dict_delete(hf_dict *dict, hf_value key);
HF_CHECKED hf_status hf_dict_contains(hf_dict *dict, hf_value key, bool *found);
HF_CHECKED hf_status hf_dict_len(hf_dict *dict, uint64_t *len);
/* RESOURCE_EXHAUSTED REPLY_TOO_BIG beyond a frame: use hf_dict_scan. values are freed by
 * hf_values_free. */
HF_CHECKED hf_status hf_dict_keys(hf_dict *dict, hf_value **keys, size_t *count);
HF_CHECKED hf_status hf_dict_values(hf_dict *dict, hf_value **values, size_t *count);
/* A consistent copy of everything; freed by hf_entries_free. */
HF_CHECKED hf_status hf_dict_items(hf_dict *dict, struct hf_entry **entries, size_t *count);
HF_CHECKED hf_status hf_dict_copy(hf_dict *dict, struct hf_entry **entries, size_t *count);
HF_CHECKED hf_status hf_dict_clear(hf_dict *dict);
/* Removes the key and answers its value, or a copy of *fallback; NULL: NOT_FOUND NO_SUCH_KEY */
HF_CHECKED hf_status hf_dict_pop(hf_dict *dict, hf_value key, const hf_value *fallback,
                                 hf_value *value);
/* Removes the last entry. NOT_FOUND NO_SUCH_KEY when empty */
HF_CHECKED hf_status hf_dict_popitem(hf_dict *dict, struct hf_entry *entry);
/* The key's value, which is set to `value` if it was missing. */
HF_CHECKED hf_status hf_dict_setdefault(hf_dict *dict, hf_value key, hf_value value,
                                        hf_value *result);
HF_CHECKED hf_status hf_dict_update(hf_dict *dict, const struct hf_entry *entries, size_t count);
/* Adds a number; a missing key counts as 0. out sum may be NULL.
 * INVALID_ARGUMENT WRONG_TYPE not numbers | OUT_OF_RANGE OVERFLOW beyond 64 bits; nothing changed
 */
HF_CHECKED hf_status hf_dict_add(hf_dict *dict, hf_value key, hf_value amount, hf_value *sum);
/* Sets key to *desired (NULL: deletes it) if it is *expected (NULL: missing). out found may be
 * NULL; none when there was nothing. */
HF_CHECKED hf_status hf_dict_compare_and_set(hf_dict *dict, hf_value key, const hf_value *expected,
                                             const hf_value *desired, bool *swapped,
                                             hf_value *found);
/* Sets the key only if it is there. NOT_FOUND NO_SUCH_KEY */
HF_CHECKED hf_status hf_dict_replace(hf_dict *dict, hf_value key, hf_value value);
/* Until the key's value is not *known (NULL: until it is there); answers it. NOT_FOUND NO_SUCH_KEY
 * the key went | DEADLINE_EXCEEDED NOT_CHANGED */
HF_CHECKED hf_status hf_dict_wait(hf_dict *dict, hf_value key, const hf_value *known,
                                  int64_t timeout_ms, hf_value *value);
/* In a transaction: the key's value must be *value (NULL: there must be no such key); the dict must
 * have at least that many entries. */
HF_CHECKED hf_status hf_require_equal(hf_dict *dict, hf_value key, const hf_value *value);
/* The entries of those keys that exist. */
HF_CHECKED hf_status hf_dict_get_many(hf_dict *dict, const hf_value *keys, size_t count,
                                      struct hf_entry **entries, size_t *entry_count);
/* Iterates in insertion order, page by page. Begin with a zeroed struct; entry is valid until the
 * next call. With `strict`, a dict that changes size meanwhile is ABORTED SIZE_CHANGED, as in
 * Python. HF_OK *entry is the next, or NULL at the end, where the scan has freed itself */
struct hf_dict_scan {
  bool strict;
  uint32_t page_count; /* entries per round trip; 0: 1,000 */
  uint64_t cursor, length;
  struct hf_entry *page;
  size_t page_len, page_idx;
  bool started, last;
};
HF_CHECKED hf_status hf_dict_next(hf_dict *dict, struct hf_dict_scan *scan,
                                  const struct hf_entry **entry);
/* Frees a scan that is left before its end. */
HF_API void hf_dict_scan_stop(struct hf_dict_scan *scan);

/* ------------------------------------------------------------------ list */

/* A Python slice: [start:stop:step], HF_OMITTED for what is left out. */
struct hf_slice {
  int64_t start, stop, step;
};
#ifdef __cplusplus
#define HF_SLICE_ALL (hf_slice{HF_OMITTED, HF_OMITTED, HF_OMITTED})
#else
#define HF_SLICE_ALL ((struct hf_slice){HF_OMITTED, HF_OMITTED, HF_OMITTED})
#endif

HF_CHECKED hf_status hf_list_open(hf_conn *conn, const char *name, hf_list **list);
HF_API void hf_list_close(hf_list *list);
/* Indexes may be negative, as in Python. OUT_OF_RANGE BAD_INDEX */
HF_CHECKED hf_status hf_list_get(hf_list *list, int64_t index, hf_value *value);
HF_CHECKED hf_status hf_list_set(hf_list *list, int64_t index, hf_value value);
HF_CHECKED hf_status hf_list_delete(hf_list *list, int64_t index);
/* INVALID_ARGUMENT BAD_SLICE */
HF_CHECKED hf_status hf_list_get_slice(hf_list *list, struct hf_slice slice, hf_value **values,
                                       size_t *count);
HF_CHECKED hf_status hf_list_set_slice(hf_list *list, struct hf_slice slice, const hf_value *values,
                                       size_t count);
HF_CHECKED hf_status hf_list_delete_slice(hf_list *list, struct hf_slice slice);
HF_CHECKED hf_status hf_list_append(hf_list *list, hf_value value);
HF_CHECKED hf_status hf_list_extend(hf_list *list, const hf_value *values, size_t count);
HF_CHECKED hf_status hf_list_insert(hf_list *list, int64_t index, hf_value value);
/* HF_OMITTED: the last. OUT_OF_RANGE BAD_INDEX, IS_EMPTY */
HF_CHECKED hf_status hf_list_pop(hf_list *list, int64_t index, hf_value *value);
/* NOT_FOUND NO_SUCH_VALUE */
HF_CHECKED hf_status hf_list_remove(hf_list *list, hf_value value);
/* Within [start, stop), HF_OMITTED for the ends. NOT_FOUND NO_SUCH_VALUE */
HF_CHECKED hf_status hf_list_index(hf_list *list, hf_value value, int64_t start, int64_t stop,
                                   uint64_t *index);
HF_CHECKED hf_status hf_list_count(hf_list *list, hf_value value, uint64_t *count);
HF_CHECKED hf_status hf_list_contains(hf_list *list, hf_value value, bool *found);
HF_CHECKED hf_status hf_list_len(hf_list *list, uint64_t *len);
HF_CHECKED hf_status hf_list_reverse(hf_list *list);
/* Stable. INVALID_ARGUMENT NOT_ORDERED, the list as it was */
HF_CHECKED hf_status hf_list_sort(hf_list *list, bool reverse);
/* list + values and list * count: answered, the list itself stays. */
HF_CHECKED hf_status hf_list_concat(hf_list *list, const hf_value *values, size_t count,
                                    hf_value **result, size_t *result_count);
HF_CHECKED hf_status hf_list_repeat(hf_list *list, int64_t count, hf_value **result,
                                    size_t *result_count);
HF_CHECKED hf_status hf_list_repeat_in_place(hf_list *list, int64_t count);
HF_CHECKED hf_status hf_list_copy(hf_list *list, hf_value **values, size_t *count);
HF_CHECKED hf_status hf_list_clear(hf_list *list);
/* out sum may be NULL. OUT_OF_RANGE BAD_INDEX, OVERFLOW | INVALID_ARGUMENT WRONG_TYPE */
HF_CHECKED hf_status hf_list_add(hf_list *list, int64_t index, hf_value amount, hf_value *sum);
/* out found may be NULL. OUT_OF_RANGE BAD_INDEX */
HF_CHECKED hf_status hf_list_compare_and_set(hf_list *list, int64_t index, hf_value expected,
                                             hf_value desired, bool *swapped, hf_value *found);

/* ------------------------------------------------------------------ queue */

/* maxsize <= 0 is unbounded. An existing queue of another maxsize: INVALID_ARGUMENT WRONG_SHAPE */
HF_CHECKED hf_status hf_queue_open(hf_conn *conn, const char *name, int64_t maxsize,
                                   hf_queue **queue);
HF_API void hf_queue_close(hf_queue *queue);
/* First come, first served. RESOURCE_EXHAUSTED QUEUE_FULL timeout 0 | DEADLINE_EXCEEDED QUEUE_FULL
 */
HF_CHECKED hf_status hf_queue_put(hf_queue *queue, hf_value value, int64_t timeout_ms);
/* The item is this process's from the moment it arrives, a little before the call returns: killed
 * just then, it takes the item along. hf_queue_reserve is for those who can't afford that. An item
 * whose get was given up (UNAVAILABLE, CANCELLED) is in the queue again, at its old place.
 * RESOURCE_EXHAUSTED QUEUE_EMPTY timeout 0 | DEADLINE_EXCEEDED QUEUE_EMPTY */
HF_CHECKED hf_status hf_queue_get(hf_queue *queue, int64_t timeout_ms, hf_value *value);
HF_CHECKED hf_status hf_queue_size(hf_queue *queue, uint64_t *size);
HF_CHECKED hf_status hf_queue_empty(hf_queue *queue, bool *empty);
HF_CHECKED hf_status hf_queue_full(hf_queue *queue, bool *full);
/* FAILED_PRECONDITION TOO_MANY_DONE */
HF_CHECKED hf_status hf_queue_task_done(hf_queue *queue);
/* Until every item put was followed by a task_done. DEADLINE_EXCEEDED NOT_JOINED */
HF_CHECKED hf_status hf_queue_join(hf_queue *queue, int64_t timeout_ms);

/* Work: lower priorities go first, equal ones in order; a delayed item is not to be had before. */
struct hf_put_options {
  int64_t priority;
  uint64_t delay_ms;
};
/* options may be NULL. */
HF_CHECKED hf_status hf_queue_put_with(hf_queue *queue, hf_value value,
                                       const struct hf_put_options *options, int64_t timeout_ms);
/* Puts one after the other, waiting for room. out put_count (may be NULL): fewer than count when
 * the time was up or the queue was shut down meanwhile; none is an error as in hf_queue_put. */
HF_CHECKED hf_status hf_queue_put_many(hf_queue *queue, const hf_value *values, size_t count,
                                       const struct hf_put_options *options, int64_t timeout_ms,
                                       size_t *put_count);
/* Waits for one item, takes up to `max` that are there, as far as they fit one reply. values are
 * freed by hf_values_free. */
HF_CHECKED hf_status hf_queue_get_many(hf_queue *queue, size_t max, int64_t timeout_ms,
                                       hf_value **values, size_t *count);

/* An item given out until it is acknowledged. */
struct hf_reservation {
  uint64_t id;    /* only rises */
  hf_value value; /* freed by hf_value_clear */
  uint64_t tries; /* how often it was given out before and came back undone */
  int64_t priority;
};
/* A get that counts only once it is acknowledged. The item goes back to its place when this session
 * ends, when lease_ms (0: none) is over, or by hf_queue_return. As hf_queue_get. */
HF_CHECKED hf_status hf_queue_reserve(hf_queue *queue, uint64_t lease_ms, int64_t timeout_ms,
                                      struct hf_reservation *reservation);
/* Done: the item is gone, one task less is unfinished. These answer FAILED_PRECONDITION
 * NOT_RESERVED when the reservation has ended: the item went back, maybe to somebody else.
 * hf_queue_task_done in a thread that has reservations acknowledges its oldest. */
HF_CHECKED hf_status hf_queue_ack(hf_queue *queue, uint64_t reservation);
/* The lease begins anew. */
HF_CHECKED hf_status hf_queue_extend(hf_queue *queue, uint64_t reservation, uint64_t lease_ms);
/* Not done: back to its place, not to be had before delay_ms, with one try more. */
HF_CHECKED hf_status hf_queue_return(hf_queue *queue, uint64_t reservation, uint64_t delay_ms);
/* Sets it aside; it stays unfinished until it is kicked back, by anyone, and done. */
HF_CHECKED hf_status hf_queue_bury(hf_queue *queue, uint64_t reservation);
/* Brings up to `count` (0: all) buried ones back, the longest buried first. out kicked may be NULL.
 */
HF_CHECKED hf_status hf_queue_kick(hf_queue *queue, uint64_t count, uint64_t *kicked);
/* Python's Queue.shutdown: later puts, and gets once nothing is left or can come back, answer
 * FAILED_PRECONDITION QUEUE_SHUT_DOWN. immediate: drops what waits, and joins return. */
HF_CHECKED hf_status hf_queue_shutdown(hf_queue *queue, bool immediate);
/* In a transaction: at least that many entries, items; at least that much room below maxsize. */
HF_CHECKED hf_status hf_require_length(hf_object *object, uint64_t length);
HF_CHECKED hf_status hf_require_room(hf_queue *queue, uint64_t room);

/* ------------------------------------------------------------------ pipe */

/* Opens end 0 or 1 of a pipe, and attaches to it: an end is closed when the last session attached
 * to it, forked children's among them, closed its handle or is gone. A one-way pipe sends from end 1 to end 0. */
HF_CHECKED hf_status hf_pipe_open(hf_conn *conn, const char *name, int end, hf_pipe **pipe);
HF_CHECKED hf_status hf_pipe_open_one_way(hf_conn *conn, const char *name, int end, hf_pipe **pipe);
/* Both ends of a new anonymous pipe, as Python's Pipe() gives them. */
HF_CHECKED hf_status hf_pipe_new(hf_conn *conn, bool duplex, hf_pipe *ends[2]);
/* Closes this end for the whole session, as closing the last descriptor does. */
HF_API void hf_pipe_close(hf_pipe *pipe);
/* FAILED_PRECONDITION PIPE_CLOSED | RESOURCE_EXHAUSTED/DEADLINE_EXCEEDED PIPE_FULL |
 * INVALID_ARGUMENT BAD_END */
HF_CHECKED hf_status hf_pipe_send(hf_pipe *pipe, hf_value value, int64_t timeout_ms);
/* OUT_OF_RANGE END_OF_FILE | RESOURCE_EXHAUSTED/DEADLINE_EXCEEDED PIPE_EMPTY | INVALID_ARGUMENT
 * BAD_END */
HF_CHECKED hf_status hf_pipe_recv(hf_pipe *pipe, int64_t timeout_ms, hf_value *value);
/* Whether recv would answer at once (also true at end of file), waiting up to timeout_ms for it. */
HF_CHECKED hf_status hf_pipe_poll(hf_pipe *pipe, int64_t timeout_ms, bool *readable);

/* ------------------------------------------------------------------ namespace */

HF_CHECKED hf_status hf_namespace_open(hf_conn *conn, const char *name, hf_namespace **ns);
HF_API void hf_namespace_close(hf_namespace *ns);
/* NOT_FOUND NO_SUCH_ATTRIBUTE */
HF_CHECKED hf_status hf_namespace_get(hf_namespace *ns, const char *attribute, hf_value *value);
HF_CHECKED hf_status hf_namespace_set(hf_namespace *ns, const char *attribute, hf_value value);
HF_CHECKED hf_status hf_namespace_delete(hf_namespace *ns, const char *attribute);
HF_CHECKED hf_status hf_namespace_list(hf_namespace *ns, hf_value **attributes, size_t *count);

/* ------------------------------------------------------------------ value and array */

/* multiprocessing's Value and RawValue: one number of a C type, named by a typecode as in Python.
 *
 *   b B h H i I l L q Q  char, short, int, long, long long; capitals have no sign
 *   f d                  float, double; they take integers too, and f rounds
 *   ?                    bool
 *   c                    one byte, answered as bytes of size 1; an integer from 0 to 255 will do
 *
 * A Value has a recursive lock of its own, which every call takes; a RawValue has none: its calls
 * are atomic one by one. A new one is `initial`, hf_none() is 0; one that exists stays as it is,
 * and must be of that type.
 *
 * INVALID_ARGUMENT BAD_TYPECODE | WRONG_SHAPE it exists with another typecode | WRONG_TYPE,
 * OUT_OF_RANGE OVERFLOW of initial */
HF_CHECKED hf_status hf_value_open(hf_conn *conn, const char *name, char typecode, hf_value initial,
                                   hf_cell **cell);
HF_CHECKED hf_status hf_raw_value_open(hf_conn *conn, const char *name, char typecode,
                                       hf_value initial, hf_cell **cell);
HF_API void hf_cell_close(hf_cell *cell);
/* Wait, for ever, while another thread or process holds the Value's lock; so do those below.
 * hf_cell_get_int: INVALID_ARGUMENT WRONG_TYPE f, d and c | OUT_OF_RANGE OVERFLOW beyond INT64_MAX.
 * hf_cell_get_float: INVALID_ARGUMENT WRONG_TYPE c. */
HF_CHECKED hf_status hf_cell_get(hf_cell *cell, hf_value *value);
HF_CHECKED hf_status hf_cell_get_int(hf_cell *cell, int64_t *integer);
HF_CHECKED hf_status hf_cell_get_float(hf_cell *cell, double *real);
/* This and the next three: INVALID_ARGUMENT WRONG_TYPE not a number, or a float for an integer type |
 * OUT_OF_RANGE OVERFLOW beyond the type. The value is unchanged. */
HF_CHECKED hf_status hf_cell_set(hf_cell *cell, hf_value value);
/* Atomic. out sum may be NULL. */
HF_CHECKED hf_status hf_cell_add(hf_cell *cell, hf_value amount, hf_value *sum);
/* The same for an integer, the quickest way for a Value in shared memory. out sum may be NULL; else
 * it is set at once: FAILED_PRECONDITION ALREADY_OPEN while calls are gathered. WRONG_TYPE,
 * OVERFLOW of a sum that is no int64_t: it is stored. */
HF_CHECKED hf_status hf_cell_add_int(hf_cell *cell, int64_t amount, int64_t *sum);
/* Atomic: sets `desired` if the value equals `expected`. out swapped and found, what it was before,
 * may be NULL. */
HF_CHECKED hf_status hf_cell_compare_and_set(hf_cell *cell, hf_value expected, hf_value desired,
                                             bool *swapped, hf_value *found);
/* Until the value is not `known`; answers it. A change that is undone at once may go unseen.
 * DEADLINE_EXCEEDED NOT_CHANGED | LOCK_HELD nobody could look, because of the Value's lock */
HF_CHECKED hf_status hf_cell_wait(hf_cell *cell, hf_value known, int64_t timeout_ms,
                                  hf_value *value);
/* In a transaction: the value must be at least that. */
HF_CHECKED hf_status hf_require_at_least(hf_cell *cell, hf_value bound);
/* Stores a value and answers the one before, atomically. As hf_cell_set. Needs its answer at once:
 * FAILED_PRECONDITION ALREADY_OPEN while calls are gathered on this thread. */
HF_CHECKED hf_status hf_cell_exchange(hf_cell *cell, hf_value value, hf_value *previous);
/* The Value's own lock, owned by this thread, counted. lock: DEADLINE_EXCEEDED LOCK_HELD, also with
 * timeout 0. unlock: FAILED_PRECONDITION NOT_OWNER. Both: INVALID_ARGUMENT WRONG_KIND a RawValue
 * has none. */
HF_CHECKED hf_status hf_cell_lock(hf_cell *cell, int64_t timeout_ms);
/* The same. out grant: whether the previous owner died with it; the token is 0 where the lock was
 * had in shared memory, without the server. */
struct hf_grant;
HF_CHECKED hf_status hf_cell_lock_with(hf_cell *cell, int64_t timeout_ms, struct hf_grant *grant);
HF_CHECKED hf_status hf_cell_unlock(hf_cell *cell);

/* multiprocessing's Array and RawArray: `length` elements, whose number never changes, of one
 * typecode, as of a Value. initial: that many values, or NULL for zeros; an array that exists stays
 * as it is. Errors as of hf_value_open; WRONG_SHAPE also of another length, RESOURCE_EXHAUSTED
 * OBJECT_TOO_BIG beyond 2^28 elements, REQUEST_TOO_BIG initial values of more than 16 MiB as the C
 * type has them (two million of d): open it with zeros, set slices. */
HF_CHECKED hf_status hf_array_open(hf_conn *conn, const char *name, char typecode, size_t length,
                                   const hf_value *initial, hf_array **array);
HF_CHECKED hf_status hf_raw_array_open(hf_conn *conn, const char *name, char typecode,
                                       size_t length, const hf_value *initial, hf_array **array);
HF_API void hf_array_close(hf_array *array);
/* Indexes may be negative, as in Python. All but len wait, for ever, while another thread or
 * process holds the Array's lock. OUT_OF_RANGE BAD_INDEX; set and add also as hf_cell_set. */
HF_CHECKED hf_status hf_array_get(hf_array *array, int64_t index, hf_value *value);
HF_CHECKED hf_status hf_array_set(hf_array *array, int64_t index, hf_value value);
/* values are freed by hf_values_free. INVALID_ARGUMENT BAD_SLICE */
HF_CHECKED hf_status hf_array_get_slice(hf_array *array, struct hf_slice slice, hf_value **values,
                                        size_t *count);
/* As many values as the slice selects; all or none. INVALID_ARGUMENT BAD_SLICE; as hf_cell_set */
HF_CHECKED hf_status hf_array_set_slice(hf_array *array, struct hf_slice slice,
                                        const hf_value *values, size_t count);
/* `count` elements from `start` on, as C has them: elements points to as many of the typecode's C
 * type, in the byte order of this machine (on the wire it is little-endian). By far the quickest way
 * for many; no element is read or written half. An Array's range is read or written as a whole, under
 * its lock; a RawArray's, and one-way, in parts of up to 1 MiB. While calls are gathered or
 * pipelined 1 MiB is the most: RESOURCE_EXHAUSTED REQUEST_TOO_BIG; and a handle that came from a
 * reference must have been used before: FAILED_PRECONDITION ALREADY_OPEN. write: of ? what is not 0
 * becomes 1. OUT_OF_RANGE BAD_INDEX start + count is beyond the length; nothing was written. */
HF_CHECKED hf_status hf_array_read(hf_array *array, size_t start, size_t count, void *elements);
HF_CHECKED hf_status hf_array_write(hf_array *array, size_t start, size_t count,
                                    const void *elements);
/* It never changes: a handle knows it once opened, and does not ask whether the array exists. */
HF_CHECKED hf_status hf_array_len(hf_array *array, uint64_t *len);
/* Atomic. out sum may be NULL. */
HF_CHECKED hf_status hf_array_add(hf_array *array, int64_t index, hf_value amount, hf_value *sum);
/* As those of a Value. */
HF_CHECKED hf_status hf_array_lock(hf_array *array, int64_t timeout_ms);
HF_CHECKED hf_status hf_array_lock_with(hf_array *array, int64_t timeout_ms,
                                        struct hf_grant *grant);
HF_CHECKED hf_status hf_array_unlock(hf_array *array);

/* ------------------------------------------------------------------ values and arrays as memory
 *
 * On the server's machine the elements are in memory that the server and its clients share: within
 * reach. The calls above work there, without the server, unless they are gathered. Elsewhere, or
 * where there is no such memory (see hf_conn_path_reason, and the limits in PROTOCOL.md), they go
 * to the server. The elements and their lock are the same.
 *
 * In a container whose process ids are not the server's, as by default, only the raw kinds are
 * within reach: threads there can't be told from others by the lock of a Value or Array. Calls on
 * those go to the server, over rings in shared memory if its sockets are reachable.
 *
 * A process that ends while it has the lock of a Value or Array there - in whatever way - gives it
 * up, and the next one to lock it is told. Who closes the handle before keeps it, as elsewhere; but
 * while another thread has the lock, the memory stays mapped then, the reference is not dropped, and
 * hf_close leaves the session to its grace time.
 * hf_cancel ends waits there within 50 ms.
 */

/* The elements themselves, native C types next to each other, aligned; NULL: not within reach.
 * Borrowed until the handle is closed; a forked child may use them as long as it has not closed its
 * own. For a Value or Array hold its lock meanwhile. A store through them is noticed by who waits
 * for a change up to 50 ms later, and is in vain once the object is deleted or the server gone. */
HF_API void *hf_cell_data(hf_cell *cell);
HF_API void *hf_array_data(hf_array *array);

/* Elements as C numbers: i32 for typecode i, i64 for l and q, f64 for d. On those of raw kinds
 * within reach each is an instruction or two; on all others it is the call of that meaning, with
 * its errors.
 *
 *   hf_cell_load_i64(cell, &number)              hf_array_load_i64(array, index, &number)
 *   hf_cell_store_i64(cell, number)              hf_array_store_i64(array, index, number)
 *   hf_cell_sum_i64(cell, amount, &sum)          hf_array_sum_i64(array, index, amount, &sum)
 *   hf_cell_swap_i64(cell, number, &previous)
 *
 * The same with i32 and f64; sum, which adds, is not there for f64. load and store are single
 * instructions without order among others, swap and sum are atomic. An index is a size_t: none
 * counts from the end, and one that is too large is OUT_OF_RANGE BAD_INDEX. A sum beyond the
 * element's type is OUT_OF_RANGE OVERFLOW, and nothing is stored. What an element of another type
 * answers may not fit the C type: INVALID_ARGUMENT WRONG_TYPE, OUT_OF_RANGE OVERFLOW, and swap and
 * sum are done.
 *
 * Within reach nothing else is looked at: as through the pointers above, what they do is noticed
 * late, and in vain once the object is deleted or the server gone, and they answer HF_OK all the
 * same, also while calls are gathered; hf_cell_get and its like notice. As calls, load, swap and
 * sum need their answer at once: FAILED_PRECONDITION ALREADY_OPEN while calls are gathered. */
#include <holdfast/numbers.h>

/* ------------------------------------------------------------------ lock */

/* hf_lock_open: multiprocessing's Lock, which anyone may release. hf_rlock_open: RLock, owned by a
 * thread of a process and counted. */
HF_CHECKED hf_status hf_lock_open(hf_conn *conn, const char *name, hf_lock **lock);
HF_CHECKED hf_status hf_rlock_open(hf_conn *conn, const char *name, hf_lock **lock);
HF_API void hf_lock_close(hf_lock *lock);

struct hf_grant {
  uint64_t
      token; /* rises with every grant, also of a server that was started again, unless its clock
                      was set back: hand it to what the lock protects */
  bool owner_died; /* the previous owner was killed or unplugged while it held the lock */
};
/* out grant may be NULL. DEADLINE_EXCEEDED LOCK_HELD, also with timeout 0 */
HF_CHECKED hf_status hf_lock_acquire(hf_lock *lock, int64_t timeout_ms, struct hf_grant *grant);
struct hf_lock_options {
  bool robust;          /* the lock is also released when this session says goodbye */
  uint64_t lease_ms;    /* and when this process makes no call for that long, e.g. because it is
                           stopped: the token is stale from then on. 0: no lease */
  bool refuse_deadlock; /* a wait that would close a circle of waits is ABORTED DEADLOCK instead */
};
HF_CHECKED hf_status hf_lock_acquire_with(hf_lock *lock, const struct hf_lock_options *options,
                                          int64_t timeout_ms, struct hf_grant *grant);
/* FAILED_PRECONDITION NOT_LOCKED a free lock | NOT_OWNER an rlock that is free, or another's */
HF_CHECKED hf_status hf_lock_release(hf_lock *lock);
/* Only if `token` is the current grant's. FAILED_PRECONDITION TOKEN_STALE */
HF_CHECKED hf_status hf_lock_release_token(hf_lock *lock, uint64_t token);

/* A thread of a client. */
struct hf_party {
  char client[256];
  uint64_t session; /* tells clients of one name apart; 0: nobody */
  uint64_t caller;
  uint64_t waited_ms;
};
/* A lock that is held or waited for. */
struct hf_lock_info {
  uint64_t id;
  hf_kind kind;
  char name[256];
  bool held;
  struct hf_party holder; /* session 0: nobody, or one who said goodbye and left it locked */
  uint64_t token, depth, lease_ms;
  struct hf_party *waiters; /* in order */
  size_t waiters_count;
  bool deadlocked;       /* its holder waits, directly or over others, for this very lock */
  uint64_t more_waiters; /* than those: of one lock no more than 1,000 are told */
};
/* All of them, by id, asked for in pages; freed by hf_locks_free. */
HF_CHECKED hf_status hf_list_locks(hf_conn *conn, struct hf_lock_info **locks, size_t *count);
HF_API void hf_locks_free(struct hf_lock_info *locks, size_t count);
/* In a transaction: that grant must be the current one, else FAILED_PRECONDITION TOKEN_STALE;
 * nobody may hold it. */
HF_CHECKED hf_status hf_require_held(hf_lock *lock, uint64_t token);
HF_CHECKED hf_status hf_require_free(hf_lock *lock);

/* ------------------------------------------------------------------ semaphore */

/* What a killed session had acquired comes back; after a clean goodbye it stays acquired. Anyone
 * may release. An existing one of another start: INVALID_ARGUMENT WRONG_SHAPE */
HF_CHECKED hf_status hf_semaphore_open(hf_conn *conn, const char *name, uint64_t start,
                                       hf_semaphore **semaphore);
HF_CHECKED hf_status hf_bounded_semaphore_open(hf_conn *conn, const char *name, uint64_t start,
                                               hf_semaphore **semaphore);
HF_API void hf_semaphore_close(hf_semaphore *semaphore);
/* First come, first served. DEADLINE_EXCEEDED NO_PERMIT, also with timeout 0 */
HF_CHECKED hf_status hf_semaphore_acquire(hf_semaphore *semaphore, int64_t timeout_ms);
/* FAILED_PRECONDITION RELEASED_TOO_OFTEN a bounded one beyond its start, unchanged */
HF_CHECKED hf_status hf_semaphore_release(hf_semaphore *semaphore, uint64_t count);

/* ------------------------------------------------------------------ event */

HF_CHECKED hf_status hf_event_open(hf_conn *conn, const char *name, hf_event **event);
HF_API void hf_event_close(hf_event *event);
HF_CHECKED hf_status hf_event_set(hf_event *event);
HF_CHECKED hf_status hf_event_clear(hf_event *event);
HF_CHECKED hf_status hf_event_is_set(hf_event *event, bool *is_set);
/* out is_set false: the time was up. A negative timeout other than HF_FOREVER is answered at once.
 */
HF_CHECKED hf_status hf_event_wait(hf_event *event, int64_t timeout_ms, bool *is_set);
/* In a transaction: it must be set. */
HF_CHECKED hf_status hf_require_set(hf_event *event);

/* ------------------------------------------------------------------ condition */

/* On `lock`, or with NULL on a recursive lock of its own, owned by a thread of a process. An
 * existing one on another lock: INVALID_ARGUMENT WRONG_SHAPE */
HF_CHECKED hf_status hf_condition_open(hf_conn *conn, const char *name, hf_lock *lock,
                                       hf_condition **condition);
HF_API void hf_condition_close(hf_condition *condition);
/* As hf_lock_acquire and hf_lock_release. */
HF_CHECKED hf_status hf_condition_acquire(hf_condition *condition, int64_t timeout_ms);
HF_CHECKED hf_status hf_condition_release(hf_condition *condition);
/* Gives the lock up, waits to be notified, and has the lock again when it returns. out notified
 * false: the time was up. FAILED_PRECONDITION NOT_ACQUIRED */
HF_CHECKED hf_status hf_condition_wait(hf_condition *condition, int64_t timeout_ms, bool *notified);
/* Waits until predicate(ctx) holds, which is called with the lock held. out holds: its last answer.
 */
HF_CHECKED hf_status hf_condition_wait_for(hf_condition *condition, bool (*predicate)(void *ctx),
                                           void *ctx, int64_t timeout_ms, bool *holds);
/* Those who wait longest go first. count >= 1, else INVALID_ARGUMENT BAD_ARGUMENT.
 * FAILED_PRECONDITION NOT_ACQUIRED */
HF_CHECKED hf_status hf_condition_notify(hf_condition *condition, uint64_t count);
HF_CHECKED hf_status hf_condition_notify_all(hf_condition *condition);

/* ------------------------------------------------------------------ barrier */

/* parties >= 1, else INVALID_ARGUMENT BAD_ARGUMENT. An existing one of other parties: WRONG_SHAPE
 */
HF_CHECKED hf_status hf_barrier_open(hf_conn *conn, const char *name, uint64_t parties,
                                     hf_barrier **barrier);
HF_API void hf_barrier_close(hf_barrier *barrier);
/* Waits for all parties. action (or NULL) is run by the last to arrive, before the others go on; it
 * answers whether it succeeded, and breaks the barrier if not. out index, may be NULL: 0 for the
 * first to arrive. ABORTED BARRIER_BROKEN the time was up, a party left or was killed, abort,
 * reset, or the action failed */
HF_CHECKED hf_status hf_barrier_wait(hf_barrier *barrier, int64_t timeout_ms,
                                     bool (*action)(void *ctx), void *ctx, uint64_t *index);
/* Breaks it for those who wait and all who come, until reset. */
HF_CHECKED hf_status hf_barrier_abort(hf_barrier *barrier);
/* As new; breaks it for those who wait. */
HF_CHECKED hf_status hf_barrier_reset(hf_barrier *barrier);

#ifdef __cplusplus
}
#endif
#endif
