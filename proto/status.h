/* Canonical status codes, the reasons behind them, and their sentences.
 *
 * layer   proto; installed as <holdfast/status.h>
 * source  the numbers and meanings of hf_status are gRPC's canonical codes
 */
#ifndef HOLDFAST_STATUS_H
#define HOLDFAST_STATUS_H

typedef enum hf_status {
  HF_OK = 0,
  HF_CANCELLED = 1,
  HF_UNKNOWN = 2,
  HF_INVALID_ARGUMENT = 3,
  HF_DEADLINE_EXCEEDED = 4,
  HF_NOT_FOUND = 5,
  HF_ALREADY_EXISTS = 6,
  HF_PERMISSION_DENIED = 7,
  HF_RESOURCE_EXHAUSTED = 8,
  HF_FAILED_PRECONDITION = 9,
  HF_ABORTED = 10,
  HF_OUT_OF_RANGE = 11,
  HF_UNIMPLEMENTED = 12,
  HF_INTERNAL = 13,
  HF_UNAVAILABLE = 14,
  HF_DATA_LOSS = 15,
  HF_UNAUTHENTICATED = 16,
} hf_status;

/* Reasons: stable words on the wire, more specific than the status. A new one is appended at the end:
 * programs that are compiled already have the numbers of the others (client/abi/reasons).
 *  word                 status               sentence, which says what to do next */
#define HF_REASONS(X)                                                                              \
  X(NO_SUCH_KEY, NOT_FOUND, "the key is not in the dict")                                          \
  X(NO_SUCH_VALUE, NOT_FOUND, "the value is not in the list")                                      \
  X(NO_SUCH_ATTRIBUTE, NOT_FOUND, "the namespace has no such attribute")                           \
  X(NO_SUCH_OBJECT, NOT_FOUND,                                                                     \
    "no such object: it was not made yet, or was deleted; make it first")                          \
  X(NAME_TAKEN, ALREADY_EXISTS, "an object of that name exists; open it, or choose another name")  \
  X(BAD_INDEX, OUT_OF_RANGE, "the index is out of range")                                          \
  X(IS_EMPTY, OUT_OF_RANGE, "nothing to pop: the container is empty")                              \
  X(OVERFLOW, OUT_OF_RANGE, "the number does not fit the type")                                    \
  X(END_OF_FILE, OUT_OF_RANGE, "the other end is closed and everything was received")              \
  X(WRONG_KIND, INVALID_ARGUMENT,                                                                  \
    "the object is of another kind than the operation; `holdfast info NAME` says which")           \
  X(WRONG_TYPE, INVALID_ARGUMENT, "the value is not of the type the operation needs")              \
  X(WRONG_SHAPE, INVALID_ARGUMENT,                                                                 \
    "the object exists with another type, size or start; open it as it is, or delete it first")    \
  X(NOT_ORDERED, INVALID_ARGUMENT, "the values can't be ordered among each other; nothing moved")  \
  X(NOT_HASHABLE, INVALID_ARGUMENT, "a key may not contain a reference")                           \
  X(BAD_REQUEST, INVALID_ARGUMENT, "the body is not a Request; see holdfast.proto")                \
  X(BAD_VALUE, INVALID_ARGUMENT, "a value is missing or has no arm set")                           \
  X(BAD_TEXT, INVALID_ARGUMENT, "text is not UTF-8; send it as bytes")                             \
  X(BAD_NAME, INVALID_ARGUMENT,                                                                    \
    "a name is UTF-8 of 1 to 255 bytes, not blank, without control characters and bidirectional "  \
    "overrides")                                                                                   \
  X(BAD_TYPECODE, INVALID_ARGUMENT, "a typecode is one of c b B ? h H i I l L q Q f d")            \
  X(BAD_SLICE, INVALID_ARGUMENT, "the slice's step is 0, or the number of items does not fit it")  \
  X(BAD_END, INVALID_ARGUMENT, "a pipe has ends 0 and 1; a one-way pipe sends from 1 to 0")        \
  X(BAD_SEQUENCE, INVALID_ARGUMENT, "that sequence was acknowledged already; use the next number") \
  X(BAD_SESSION, INVALID_ARGUMENT, "a session is named by the 16 bytes OpenSession answered")      \
  X(NEGATIVE_TIMEOUT, INVALID_ARGUMENT,                                                            \
    "a timeout is not negative; leave it out to wait for ever")                                    \
  X(TOO_DEEP, INVALID_ARGUMENT, "values or messages are nested too deep; flatten them")            \
  X(TOO_MANY_FIELDS, RESOURCE_EXHAUSTED, "too many values in one request; send several")           \
  X(REQUEST_TOO_BIG, RESOURCE_EXHAUSTED, "the request is too big; send it in parts")               \
  X(REPLY_TOO_BIG, RESOURCE_EXHAUSTED, "the reply would be too big; read it in pages or slices")   \
  X(OBJECT_TOO_BIG, RESOURCE_EXHAUSTED, "the object would grow beyond its limit; use several")     \
  X(MEMORY_FULL, RESOURCE_EXHAUSTED, "the server's memory limit is reached; delete something")     \
  X(QUEUE_EMPTY, RESOURCE_EXHAUSTED, "the queue is empty")                                         \
  X(QUEUE_FULL, RESOURCE_EXHAUSTED, "the queue is full")                                           \
  X(PIPE_EMPTY, RESOURCE_EXHAUSTED, "nothing to receive yet")                                      \
  X(PIPE_FULL, RESOURCE_EXHAUSTED, "the pipe is full; the other end does not receive")             \
  X(LOCK_HELD, DEADLINE_EXCEEDED, "another thread owns the lock")                                  \
  X(DEADLOCK, ABORTED,                                                                             \
    "the lock's owner waits for a lock that this thread owns; release it, try again")              \
  X(NOT_CHANGED, DEADLINE_EXCEEDED, "the value did not change in time")                            \
  X(NOT_JOINED, DEADLINE_EXCEEDED, "the queue still has unfinished tasks")                         \
  X(NO_PERMIT, DEADLINE_EXCEEDED, "the semaphore has nothing left to acquire")                     \
  X(RELEASED_TOO_OFTEN, FAILED_PRECONDITION, "Semaphore released too many times")                  \
  X(NOT_ACQUIRED, FAILED_PRECONDITION, "cannot wait on or notify an un-acquired lock")             \
  X(BARRIER_BROKEN, ABORTED, "the barrier is broken; reset it")                                    \
  X(WINDOW_FULL, RESOURCE_EXHAUSTED, "too many unacknowledged replies; send `acked`")              \
  X(IN_FLIGHT_FULL, RESOURCE_EXHAUSTED, "too many waiting requests on this connection")            \
  X(SESSIONS_FULL, RESOURCE_EXHAUSTED, "too many sessions; close some")                            \
  X(TOO_MANY_DONE, FAILED_PRECONDITION, "task_done was called more often than put")                \
  X(QUEUE_SHUT_DOWN, FAILED_PRECONDITION, "the queue is shut down: no more items")                 \
  X(NOT_RESERVED, FAILED_PRECONDITION,                                                             \
    "not reserved by this session, or not any more: acknowledged, or returned")                    \
  X(RESERVATIONS_FULL, RESOURCE_EXHAUSTED, "too many reservations; acknowledge some first")        \
  X(CONDITION_NOT_MET, ABORTED, "a condition is not met; nothing was done")                        \
  X(NOT_NESTABLE, INVALID_ARGUMENT,                                                                \
    "that operation can't be a part of a transaction or wait-any; call it before or after")        \
  X(CANCELLED, CANCELLED, "the call was cancelled")                                                \
  X(NOT_LOCKED, FAILED_PRECONDITION, "release unlocked lock")                                      \
  X(NOT_OWNER, FAILED_PRECONDITION, "cannot release un-acquired lock")                             \
  X(TOKEN_STALE, FAILED_PRECONDITION, "the token is not the current grant's: the lock was lost")   \
  X(NEEDS_SESSION, FAILED_PRECONDITION, "the operation needs an owner; open a session first")      \
  X(PIPE_CLOSED, FAILED_PRECONDITION, "the pipe's other end, or this one, is closed")              \
  X(ATTEMPT_STALE, ABORTED, "a later connection has taken the session over")                       \
  X(SIZE_CHANGED, ABORTED, "the dict changed size during iteration; start again")                  \
  X(OBJECT_DELETED, ABORTED, "the object was deleted while the request waited")                    \
  X(SESSION_ENDED, FAILED_PRECONDITION,                                                            \
    "the session has ended; connect again, its locks are free")                                    \
  X(TIMED_OUT, DEADLINE_EXCEEDED, "the time was up")                                               \
  X(UNKNOWN_OPERATION, UNIMPLEMENTED, "this server does not know the operation; is it older?")     \
  X(NOT_ONE_WAY, UNIMPLEMENTED, "the operation makes no sense without a reply; use a call")        \
  X(STOPPING, UNAVAILABLE, "the server is stopping; connect again later")                          \
  X(ALREADY_OPEN, FAILED_PRECONDITION,                                                             \
    "this thread has a pipeline, one-way, batch or hf_async open; end it first")                   \
  X(NOT_CONNECTED, UNAVAILABLE, "no answer from the server in time; is it running there?")         \
  X(NO_MEMORY, RESOURCE_EXHAUSTED, "out of memory")                                                \
  X(BAD_ADDRESS, INVALID_ARGUMENT,                                                                 \
    "an address is tls+tcp://HOST:PORT, tcp://HOST:PORT or ipc:///PATH")                           \
  X(BAD_ARGUMENT, INVALID_ARGUMENT,                                                                \
    "an argument is not valid; the description of the call says which are")                        \
  X(BAD_REPLY, INTERNAL, "the server's reply makes no sense; are the versions compatible?")        \
  X(NO_RIGHT, PERMISSION_DENIED, "the user has no right to that; ask for it in its rights")        \
  X(QUOTA_MEMORY, RESOURCE_EXHAUSTED, "the user's objects take all the memory they may")           \
  X(QUOTA_OBJECTS, RESOURCE_EXHAUSTED, "the user has as many objects as it may")                   \
  X(QUOTA_SESSIONS, RESOURCE_EXHAUSTED, "the user has as many sessions as it may")                 \
  X(QUOTA_CONNECTIONS, RESOURCE_EXHAUSTED, "the user has as many connections as it may")           \
  X(QUOTA_WAITING, RESOURCE_EXHAUSTED, "the user has as many waiting requests as it may")          \
  X(TOO_FAST, RESOURCE_EXHAUSTED, "the user sends more requests a second than it may; slow down")  \
  X(LOADING, UNAVAILABLE, "the server still loads its state; try again in a moment")               \
  X(JOURNAL_FULL, RESOURCE_EXHAUSTED,                                                              \
    "the disk of the server's journal is full; make room on it, or delete something")              \
  X(CELL_LOST, FAILED_PRECONDITION,                                                                \
    "the server was started again, and the volatile value is gone; delete it and make it anew")    \
  X(MIXED_DURABILITY, INVALID_ARGUMENT,                                                            \
    "a transaction is of durable objects, or of volatile values only; use two")                    \
  X(NO_JOURNAL, FAILED_PRECONDITION, "the server was started without --data")                      \
  X(BACKUP_FAILED, ABORTED,                                                                        \
    "the backup could not be made, or another one is being made; try again")                       \
  X(NOT_ADMITTED, UNAUTHENTICATED, "the server does not admit this peer; its log says who it was") \
  X(KEY_REFUSED, UNAUTHENTICATED, "the server does not accept the key; is it in its key file?")    \
  X(SERVER_NOT_TRUSTED, UNAUTHENTICATED, "the server could not prove that it is the one meant")

typedef enum hf_reason {
  HF_REASON_NONE = 0,
#define HF_REASON_ROW(word, status, sentence) HF_REASON_##word,
  HF_REASONS(HF_REASON_ROW)
#undef HF_REASON_ROW
      HF_REASON_COUNT
} hf_reason;

#ifdef __cplusplus
extern "C" {
#endif

/* "NOT_FOUND"; "UNKNOWN" for other numbers. Static. */
const char *hf_status_name(hf_status status);
/* "NO_SUCH_KEY"; "" for none. Static. */
const char *hf_reason_name(hf_reason reason);
/* The reason's sentence. Static. */
const char *hf_reason_sentence(hf_reason reason);
/* The status a reason stands for; HF_OK for none. */
hf_status hf_reason_status(hf_reason reason);
/* The reason of that name, HF_REASON_NONE when this version does not know it. */
hf_reason hf_reason_find(const char *name, unsigned long name_len);

#ifdef __cplusplus
}
#endif
#endif
