/* Every operation the server knows: one row each.
 *
 * layer   dispatch
 * To add one: see ../ARCHITECTURE.md, "To add". Its name in logs is the arm's.
 * object  the kinds of object that the operation works on
 * access  the right that a user needs on the object: READ its contents, WRITE it, READ_WRITE both,
 *         EITHER of them, CREATE and delete; NOTHING without an object, or if the parts have rights
 * repeat  of a repeated request: its reply was KEPT, or it runs AGAIN. A reply with references, and the
 *         reply to a wait, is kept in any case
 * effect  the most that the operation changes: NO_EFFECT nothing, SESSION the requester's session,
 *         OBJECT objects too. References of the reply, which the session gets, don't count
 * flags   WAITS may park, ANY_TIMEOUT takes a negative one
 *         STORES refused while memory is full
 *         SELECTABLE may be in a wait_any, IN_TRANSACTION in a transaction
 *         ONE_WAY makes sense without a reply
 *         SILENT has no reply
 *         FREES gives something back: goes on while the journal's disk is full; of lists the parts decide, and OBJECT_OPEN
 *         makes no object then
 *         NEEDS_SESSION the outcome has an owner, OPENS leads to a session
 */
#ifndef HF_DISPATCH_OPERATIONS_H
#define HF_DISPATCH_OPERATIONS_H

#include "server/engine/engine.h"

/* operation, object, access, repeat, effect, flags, handler */
#define HF_OPERATIONS(X)                                                                           \
  X(OPEN_SESSION, NO_OBJECT, NOTHING, KEPT, SESSION, OPENS, open_session)                          \
  X(RESUME_SESSION, NO_OBJECT, NOTHING, KEPT, SESSION, OPENS | NEEDS_SESSION, resume_session)      \
  X(CLOSE_SESSION, NO_OBJECT, NOTHING, KEPT, SESSION, NEEDS_SESSION, close_session)                \
  X(FORK_SESSION, NO_OBJECT, NOTHING, KEPT, SESSION, NEEDS_SESSION, fork_session)                  \
  X(CANCEL, NO_OBJECT, NOTHING, AGAIN, SESSION, NEEDS_SESSION, cancel)                             \
  X(ACKNOWLEDGE, NO_OBJECT, NOTHING, AGAIN, SESSION, NEEDS_SESSION | SILENT, acknowledge)          \
  X(PING, NO_OBJECT, NOTHING, AGAIN, NO_EFFECT, 0, ping)                                           \
  X(FLUSH, NO_OBJECT, NOTHING, KEPT, SESSION, WAITS | NEEDS_SESSION, flush)                        \
  X(SERVER_INFO, NO_OBJECT, NOTHING, AGAIN, NO_EFFECT, 0, server_info)                             \
  X(SERVER_SNAPSHOT, NO_OBJECT, NOTHING, AGAIN, NO_EFFECT, 0, server_snapshot)                     \
  X(SERVER_BACKUP, NO_OBJECT, NOTHING, AGAIN, NO_EFFECT, 0, server_backup)                         \
  X(OBJECT_OPEN, NO_OBJECT, CREATE, KEPT, OBJECT, FREES, object_open)                              \
  X(OBJECT_DELETE, ANY_OBJECT, CREATE, KEPT, OBJECT, ONE_WAY | FREES, object_delete)               \
  X(OBJECT_LIST, NO_OBJECT, NOTHING, AGAIN, NO_EFFECT, 0, object_list)                             \
  X(OBJECT_INFO, ANY_OBJECT, EITHER, AGAIN, SESSION, 0, object_info)                               \
  X(OBJECT_RETAIN, NO_OBJECT, NOTHING, KEPT, SESSION, NEEDS_SESSION, object_retain)                \
  X(OBJECT_RELEASE, NO_OBJECT, NOTHING, KEPT, OBJECT, NEEDS_SESSION | ONE_WAY | FREES,             \
    object_release)                                                                                \
  X(WAIT_ANY, NO_OBJECT, NOTHING, KEPT, OBJECT, WAITS | FREES, wait_any)                           \
  X(TRANSACTION, NO_OBJECT, NOTHING, KEPT, OBJECT, WAITS | ONE_WAY | FREES, transaction)           \
  X(DICT_GET, DICT, READ, AGAIN, NO_EFFECT, IN_TRANSACTION, dict_get)                              \
  X(DICT_SET, DICT, WRITE, KEPT, OBJECT, STORES | ONE_WAY | IN_TRANSACTION, dict_set)              \
  X(DICT_DELETE, DICT, WRITE, KEPT, OBJECT, ONE_WAY | IN_TRANSACTION | FREES, dict_delete)         \
  X(DICT_CONTAINS, DICT, READ, AGAIN, NO_EFFECT, IN_TRANSACTION, dict_contains)                    \
  X(DICT_LEN, DICT, EITHER, AGAIN, NO_EFFECT, IN_TRANSACTION, dict_len)                            \
  X(DICT_KEYS, DICT, READ, AGAIN, NO_EFFECT, 0, dict_keys)                                         \
  X(DICT_VALUES, DICT, READ, AGAIN, NO_EFFECT, 0, dict_values)                                     \
  X(DICT_ITEMS, DICT, READ, AGAIN, NO_EFFECT, 0, dict_items)                                       \
  X(DICT_CLEAR, DICT, WRITE, KEPT, OBJECT, ONE_WAY | FREES, dict_clear)                            \
  X(DICT_POP, DICT, READ_WRITE, KEPT, OBJECT, ONE_WAY | IN_TRANSACTION | FREES, dict_pop)          \
  X(DICT_POP_ITEM, DICT, READ_WRITE, KEPT, OBJECT, ONE_WAY | FREES, dict_pop_item)                 \
  X(DICT_SET_DEFAULT, DICT, READ_WRITE, KEPT, OBJECT, STORES | ONE_WAY | IN_TRANSACTION,           \
    dict_set_default)                                                                              \
  X(DICT_UPDATE, DICT, WRITE, KEPT, OBJECT, STORES | ONE_WAY, dict_update)                         \
  X(DICT_COPY, DICT, READ, AGAIN, NO_EFFECT, 0, dict_items)                                        \
  X(DICT_ADD, DICT, READ_WRITE, KEPT, OBJECT, STORES | ONE_WAY | IN_TRANSACTION, dict_add)         \
  X(DICT_COMPARE_AND_SET, DICT, READ_WRITE, KEPT, OBJECT, STORES | ONE_WAY | IN_TRANSACTION,       \
    dict_compare_and_set)                                                                          \
  X(DICT_REPLACE, DICT, READ_WRITE, KEPT, OBJECT, STORES | ONE_WAY | IN_TRANSACTION, dict_replace) \
  X(DICT_GET_MANY, DICT, READ, AGAIN, NO_EFFECT, 0, dict_get_many)                                 \
  X(DICT_SCAN, DICT, READ, AGAIN, NO_EFFECT, 0, dict_scan)                                         \
  X(DICT_WAIT, DICT, READ, KEPT, NO_EFFECT, WAITS | SELECTABLE, dict_wait)                         \
  X(LIST_GET, LIST, READ, AGAIN, NO_EFFECT, IN_TRANSACTION, list_get)                              \
  X(LIST_SET, LIST, WRITE, KEPT, OBJECT, STORES | ONE_WAY | IN_TRANSACTION, list_set)              \
  X(LIST_DELETE, LIST, WRITE, KEPT, OBJECT, ONE_WAY | IN_TRANSACTION | FREES, list_delete)         \
  X(LIST_GET_SLICE, LIST, READ, AGAIN, NO_EFFECT, 0, list_get_slice)                               \
  X(LIST_SET_SLICE, LIST, WRITE, KEPT, OBJECT, STORES | ONE_WAY, list_set_slice)                   \
  X(LIST_DELETE_SLICE, LIST, WRITE, KEPT, OBJECT, ONE_WAY | FREES, list_delete_slice)              \
  X(LIST_APPEND, LIST, WRITE, KEPT, OBJECT, STORES | ONE_WAY | IN_TRANSACTION, list_append)        \
  X(LIST_EXTEND, LIST, WRITE, KEPT, OBJECT, STORES | ONE_WAY, list_extend)                         \
  X(LIST_INSERT, LIST, WRITE, KEPT, OBJECT, STORES | ONE_WAY | IN_TRANSACTION, list_insert)        \
  X(LIST_POP, LIST, READ_WRITE, KEPT, OBJECT, ONE_WAY | IN_TRANSACTION | FREES, list_pop)          \
  X(LIST_REMOVE, LIST, WRITE, KEPT, OBJECT, ONE_WAY | FREES, list_remove)                          \
  X(LIST_INDEX, LIST, READ, AGAIN, NO_EFFECT, 0, list_index)                                       \
  X(LIST_COUNT, LIST, READ, AGAIN, NO_EFFECT, 0, list_count)                                       \
  X(LIST_CONTAINS, LIST, READ, AGAIN, NO_EFFECT, 0, list_contains)                                 \
  X(LIST_LEN, LIST, EITHER, AGAIN, NO_EFFECT, IN_TRANSACTION, list_len)                            \
  X(LIST_REVERSE, LIST, WRITE, KEPT, OBJECT, ONE_WAY, list_reverse)                                \
  X(LIST_SORT, LIST, WRITE, KEPT, OBJECT, ONE_WAY, list_sort)                                      \
  X(LIST_CONCAT, LIST, READ, AGAIN, NO_EFFECT, 0, list_concat)                                     \
  X(LIST_REPEAT, LIST, READ, AGAIN, NO_EFFECT, 0, list_repeat)                                     \
  X(LIST_REPEAT_IN_PLACE, LIST, WRITE, KEPT, OBJECT, STORES | ONE_WAY, list_repeat_in_place)       \
  X(LIST_COPY, LIST, READ, AGAIN, NO_EFFECT, 0, list_copy)                                         \
  X(LIST_CLEAR, LIST, WRITE, KEPT, OBJECT, ONE_WAY | FREES, list_clear)                            \
  X(LIST_ADD, LIST, READ_WRITE, KEPT, OBJECT, STORES | ONE_WAY | IN_TRANSACTION, list_add)         \
  X(LIST_COMPARE_AND_SET, LIST, READ_WRITE, KEPT, OBJECT, STORES | ONE_WAY | IN_TRANSACTION,       \
    list_compare_and_set)                                                                          \
  X(QUEUE_PUT, QUEUE, WRITE, KEPT, OBJECT, WAITS | STORES | ONE_WAY | IN_TRANSACTION, queue_put)   \
  X(QUEUE_GET, QUEUE, READ_WRITE, KEPT, OBJECT, WAITS | SELECTABLE | IN_TRANSACTION | FREES,       \
    queue_get)                                                                                     \
  X(QUEUE_SIZE, QUEUE, EITHER, AGAIN, NO_EFFECT, IN_TRANSACTION, queue_size)                       \
  X(QUEUE_EMPTY, QUEUE, EITHER, AGAIN, NO_EFFECT, 0, queue_empty)                                  \
  X(QUEUE_FULL, QUEUE, EITHER, AGAIN, NO_EFFECT, 0, queue_full)                                    \
  X(QUEUE_TASK_DONE, QUEUE, WRITE, KEPT, OBJECT, ONE_WAY | FREES, queue_task_done)                 \
  X(QUEUE_JOIN, QUEUE, READ, KEPT, NO_EFFECT, WAITS, queue_join)                                   \
  X(QUEUE_GET_MANY, QUEUE, READ_WRITE, KEPT, OBJECT, WAITS | SELECTABLE | FREES, queue_get_many)   \
  X(QUEUE_PUT_MANY, QUEUE, WRITE, KEPT, OBJECT, WAITS | STORES | ONE_WAY, queue_put_many)          \
  X(QUEUE_RESERVE, QUEUE, READ_WRITE, KEPT, OBJECT, WAITS | SELECTABLE | NEEDS_SESSION,            \
    queue_reserve)                                                                                 \
  X(QUEUE_ACK, QUEUE, WRITE, KEPT, OBJECT, ONE_WAY | NEEDS_SESSION | FREES, queue_ack)             \
  X(QUEUE_EXTEND, QUEUE, WRITE, KEPT, OBJECT, ONE_WAY | NEEDS_SESSION, queue_extend)               \
  X(QUEUE_RETURN, QUEUE, WRITE, KEPT, OBJECT, ONE_WAY | NEEDS_SESSION | FREES, queue_return)       \
  X(QUEUE_BURY, QUEUE, WRITE, KEPT, OBJECT, ONE_WAY | NEEDS_SESSION, queue_bury)                   \
  X(QUEUE_KICK, QUEUE, WRITE, KEPT, OBJECT, ONE_WAY, queue_kick)                                   \
  X(QUEUE_SHUTDOWN, QUEUE, WRITE, KEPT, OBJECT, ONE_WAY, queue_shutdown)                           \
  X(PIPE_ATTACH, PIPE, WRITE, KEPT, OBJECT, NEEDS_SESSION, pipe_attach)                            \
  X(PIPE_SEND, PIPE, WRITE, KEPT, OBJECT, WAITS | STORES | ONE_WAY, pipe_send)                     \
  X(PIPE_RECV, PIPE, READ_WRITE, KEPT, OBJECT, WAITS | SELECTABLE | FREES, pipe_recv)              \
  X(PIPE_POLL, PIPE, READ, KEPT, NO_EFFECT, WAITS | SELECTABLE, pipe_poll)                         \
  X(PIPE_CLOSE, PIPE, WRITE, KEPT, OBJECT, ONE_WAY | FREES, pipe_close)                            \
  X(NAMESPACE_GET, NAMESPACE, READ, AGAIN, NO_EFFECT, 0, namespace_get)                            \
  X(NAMESPACE_SET, NAMESPACE, WRITE, KEPT, OBJECT, STORES | ONE_WAY, namespace_set)                \
  X(NAMESPACE_DELETE, NAMESPACE, WRITE, KEPT, OBJECT, ONE_WAY | FREES, namespace_delete)           \
  X(NAMESPACE_LIST, NAMESPACE, READ, AGAIN, NO_EFFECT, 0, namespace_list)                          \
  X(VALUE_GET, VALUES, READ, AGAIN, NO_EFFECT, WAITS | IN_TRANSACTION, value_get)                  \
  X(VALUE_SET, VALUES, WRITE, KEPT, OBJECT, WAITS | ONE_WAY | IN_TRANSACTION, value_set)           \
  X(VALUE_ADD, VALUES, READ_WRITE, KEPT, OBJECT, WAITS | ONE_WAY | IN_TRANSACTION, value_add)      \
  X(VALUE_COMPARE_AND_SET, VALUES, READ_WRITE, KEPT, OBJECT, WAITS | ONE_WAY | IN_TRANSACTION,     \
    value_compare_and_set)                                                                         \
  X(VALUE_WAIT, VALUES, READ, KEPT, NO_EFFECT, WAITS | SELECTABLE, value_wait)                     \
  X(ARRAY_GET, ARRAYS, READ, AGAIN, NO_EFFECT, WAITS | IN_TRANSACTION, array_get)                  \
  X(ARRAY_SET, ARRAYS, WRITE, KEPT, OBJECT, WAITS | ONE_WAY | IN_TRANSACTION, array_set)           \
  X(ARRAY_GET_SLICE, ARRAYS, READ, AGAIN, NO_EFFECT, WAITS, array_get_slice)                       \
  X(ARRAY_SET_SLICE, ARRAYS, WRITE, KEPT, OBJECT, WAITS | ONE_WAY, array_set_slice)                \
  X(ARRAY_LEN, ARRAYS, EITHER, AGAIN, NO_EFFECT, 0, array_len)                                     \
  X(ARRAY_ADD, ARRAYS, READ_WRITE, KEPT, OBJECT, WAITS | ONE_WAY | IN_TRANSACTION, array_add)      \
  X(ARRAY_READ, ARRAYS, READ, AGAIN, NO_EFFECT, WAITS, array_read)                                 \
  X(ARRAY_WRITE, ARRAYS, WRITE, KEPT, OBJECT, WAITS | ONE_WAY, array_write)                        \
  X(CELL_NOTIFY, CELLS, WRITE, AGAIN, OBJECT, NEEDS_SESSION | SILENT, cell_notify)                 \
  X(LOCK_ACQUIRE, LOCKS, WRITE, KEPT, OBJECT, WAITS | NEEDS_SESSION | SELECTABLE | IN_TRANSACTION, \
    lock_acquire)                                                                                  \
  X(LOCK_RELEASE, LOCKS, WRITE, KEPT, OBJECT, ONE_WAY | IN_TRANSACTION | FREES, lock_release)      \
  X(LOCK_LIST, NO_OBJECT, NOTHING, AGAIN, NO_EFFECT, 0, lock_list)                                 \
  X(SEMAPHORE_ACQUIRE, SEMAPHORES, WRITE, KEPT, OBJECT,                                            \
    WAITS | NEEDS_SESSION | SELECTABLE | IN_TRANSACTION, semaphore_acquire)                        \
  X(SEMAPHORE_RELEASE, SEMAPHORES, WRITE, KEPT, OBJECT, ONE_WAY | IN_TRANSACTION | FREES,          \
    semaphore_release)                                                                             \
  X(EVENT_SET, EVENT, WRITE, KEPT, OBJECT, ONE_WAY | IN_TRANSACTION, event_set)                    \
  X(EVENT_CLEAR, EVENT, WRITE, KEPT, OBJECT, ONE_WAY | IN_TRANSACTION, event_clear)                \
  X(EVENT_IS_SET, EVENT, READ, AGAIN, NO_EFFECT, IN_TRANSACTION, event_is_set)                     \
  X(EVENT_WAIT, EVENT, READ, KEPT, NO_EFFECT, WAITS | ANY_TIMEOUT | SELECTABLE, event_wait)        \
  X(CONDITION_WAIT, CONDITION, WRITE, KEPT, OBJECT, WAITS | NEEDS_SESSION, condition_wait)         \
  X(CONDITION_NOTIFY, CONDITION, WRITE, KEPT, OBJECT, ONE_WAY, condition_notify)                   \
  X(BARRIER_WAIT, BARRIER, WRITE, KEPT, OBJECT, WAITS | NEEDS_SESSION, barrier_wait)               \
  X(BARRIER_DONE, BARRIER, WRITE, KEPT, OBJECT, NEEDS_SESSION | FREES, barrier_done)               \
  X(BARRIER_ABORT, BARRIER, WRITE, KEPT, OBJECT, ONE_WAY | FREES, barrier_abort)                   \
  X(BARRIER_RESET, BARRIER, WRITE, KEPT, OBJECT, ONE_WAY, barrier_reset)

/* The operation of a request; NULL: none is set, or one this server does not know. */
const struct operation *operations_find(const Holdfast__Request *message);
/* "dict_get": the arm's name in holdfast.proto. "?" for none. */
const char *operations_name(uint32_t arm);

#endif
