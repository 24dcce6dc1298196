/* Every operation the server knows: one row each.
 *
 * layer   dispatch
 * To add one: an arm in proto/holdfast.proto, a section in proto/PROTOCOL.md, a row here, a handler
 * in engine/kinds/ or engine/operations/ (handlers.h), a test. Its name in logs is the arm's.
 *
 * object  the kinds it works on
 * flags   WAITS may park, ANY_TIMEOUT takes a negative one
 *         STORES refused while memory is full
 *         READS changes nothing, LOOKS neither, but may park
 *         SELECTABLE may be in a wait_first, IN_TRANSACTION in a transaction
 *         ONE_WAY makes sense without a reply
 *         SILENT has no reply
 *         NEEDS_SESSION somebody must own the outcome, OPENS leads to a session
 */
#ifndef HF_DISPATCH_OPERATIONS_H
#define HF_DISPATCH_OPERATIONS_H

#include "server/engine/engine.h"

/* operation, object, flags, handler */
#define HF_OPERATIONS(X)                                                                    \
  X(OPEN_SESSION, NO_OBJECT, OPENS, open_session)                                           \
  X(RESUME_SESSION, NO_OBJECT, OPENS | NEEDS_SESSION, resume_session)                       \
  X(CLOSE_SESSION, NO_OBJECT, NEEDS_SESSION, close_session)                                 \
  X(FORK_SESSION, NO_OBJECT, NEEDS_SESSION, fork_session)                                   \
  X(CANCEL, NO_OBJECT, NEEDS_SESSION | READS, cancel)                                       \
  X(ACKNOWLEDGE, NO_OBJECT, NEEDS_SESSION | READS | SILENT, acknowledge)                    \
  X(PING, NO_OBJECT, READS, ping)                                                           \
  X(FLUSH, NO_OBJECT, WAITS | NEEDS_SESSION | LOOKS, flush)                                 \
  X(SERVER_INFO, NO_OBJECT, READS, server_info)                                             \
  X(OBJECT_OPEN, NO_OBJECT, 0, object_open)                                                 \
  X(OBJECT_DELETE, ANY_OBJECT, ONE_WAY, object_delete)                                      \
  X(OBJECT_LIST, NO_OBJECT, READS, object_list)                                             \
  X(OBJECT_INFO, ANY_OBJECT, READS, object_info)                                            \
  X(OBJECT_HOLD, NO_OBJECT, NEEDS_SESSION, object_hold)                                     \
  X(OBJECT_RELEASE, NO_OBJECT, NEEDS_SESSION | ONE_WAY, object_release)                     \
  X(WAIT_FIRST, NO_OBJECT, WAITS, wait_first)                                               \
  X(TRANSACTION, NO_OBJECT, WAITS | ONE_WAY, transaction)                                   \
  X(DICT_GET, DICT, READS | IN_TRANSACTION, dict_get)                                       \
  X(DICT_SET, DICT, STORES | ONE_WAY | IN_TRANSACTION, dict_set)                            \
  X(DICT_DELETE, DICT, ONE_WAY | IN_TRANSACTION, dict_delete)                               \
  X(DICT_CONTAINS, DICT, READS | IN_TRANSACTION, dict_contains)                             \
  X(DICT_LEN, DICT, READS | IN_TRANSACTION, dict_len)                                       \
  X(DICT_KEYS, DICT, READS, dict_keys)                                                      \
  X(DICT_VALUES, DICT, READS, dict_values)                                                  \
  X(DICT_ITEMS, DICT, READS, dict_items)                                                    \
  X(DICT_CLEAR, DICT, ONE_WAY, dict_clear)                                                  \
  X(DICT_POP, DICT, ONE_WAY | IN_TRANSACTION, dict_pop)                                     \
  X(DICT_POP_ITEM, DICT, ONE_WAY, dict_pop_item)                                            \
  X(DICT_SET_DEFAULT, DICT, STORES | ONE_WAY | IN_TRANSACTION, dict_set_default)            \
  X(DICT_UPDATE, DICT, STORES | ONE_WAY, dict_update)                                       \
  X(DICT_COPY, DICT, READS, dict_items)                                                     \
  X(DICT_ADD, DICT, STORES | ONE_WAY | IN_TRANSACTION, dict_add)                            \
  X(DICT_COMPARE_AND_SET, DICT, STORES | ONE_WAY | IN_TRANSACTION, dict_compare_and_set)    \
  X(DICT_REPLACE, DICT, STORES | ONE_WAY | IN_TRANSACTION, dict_replace)                    \
  X(DICT_GET_MANY, DICT, READS, dict_get_many)                                              \
  X(DICT_SCAN, DICT, READS, dict_scan)                                                      \
  X(DICT_WAIT, DICT, WAITS | LOOKS | SELECTABLE, dict_wait)                                 \
  X(LIST_GET, LIST, READS | IN_TRANSACTION, list_get)                                       \
  X(LIST_SET, LIST, STORES | ONE_WAY | IN_TRANSACTION, list_set)                            \
  X(LIST_DELETE, LIST, ONE_WAY | IN_TRANSACTION, list_delete)                               \
  X(LIST_GET_SLICE, LIST, READS, list_get_slice)                                            \
  X(LIST_SET_SLICE, LIST, STORES | ONE_WAY, list_set_slice)                                 \
  X(LIST_DELETE_SLICE, LIST, ONE_WAY, list_delete_slice)                                    \
  X(LIST_APPEND, LIST, STORES | ONE_WAY | IN_TRANSACTION, list_append)                      \
  X(LIST_EXTEND, LIST, STORES | ONE_WAY, list_extend)                                       \
  X(LIST_INSERT, LIST, STORES | ONE_WAY | IN_TRANSACTION, list_insert)                      \
  X(LIST_POP, LIST, ONE_WAY | IN_TRANSACTION, list_pop)                                     \
  X(LIST_REMOVE, LIST, ONE_WAY, list_remove)                                                \
  X(LIST_INDEX, LIST, READS, list_index)                                                    \
  X(LIST_COUNT, LIST, READS, list_count)                                                    \
  X(LIST_CONTAINS, LIST, READS, list_contains)                                              \
  X(LIST_LEN, LIST, READS | IN_TRANSACTION, list_len)                                       \
  X(LIST_REVERSE, LIST, ONE_WAY, list_reverse)                                              \
  X(LIST_SORT, LIST, ONE_WAY, list_sort)                                                    \
  X(LIST_CONCAT, LIST, READS, list_concat)                                                  \
  X(LIST_REPEAT, LIST, READS, list_repeat)                                                  \
  X(LIST_REPEAT_IN_PLACE, LIST, STORES | ONE_WAY, list_repeat_in_place)                     \
  X(LIST_COPY, LIST, READS, list_copy)                                                      \
  X(LIST_CLEAR, LIST, ONE_WAY, list_clear)                                                  \
  X(LIST_ADD, LIST, STORES | ONE_WAY | IN_TRANSACTION, list_add)                            \
  X(LIST_COMPARE_AND_SET, LIST, STORES | ONE_WAY | IN_TRANSACTION, list_compare_and_set)    \
  X(QUEUE_PUT, QUEUE, WAITS | STORES | ONE_WAY | IN_TRANSACTION, queue_put)                 \
  X(QUEUE_GET, QUEUE, WAITS | SELECTABLE | IN_TRANSACTION, queue_get)                       \
  X(QUEUE_SIZE, QUEUE, READS | IN_TRANSACTION, queue_size)                                  \
  X(QUEUE_EMPTY, QUEUE, READS, queue_empty)                                                 \
  X(QUEUE_FULL, QUEUE, READS, queue_full)                                                   \
  X(QUEUE_TASK_DONE, QUEUE, ONE_WAY, queue_task_done)                                       \
  X(QUEUE_JOIN, QUEUE, WAITS | LOOKS, queue_join)                                           \
  X(QUEUE_GET_MANY, QUEUE, WAITS | SELECTABLE, queue_get_many)                              \
  X(QUEUE_PUT_MANY, QUEUE, WAITS | STORES | ONE_WAY, queue_put_many)                        \
  X(QUEUE_RESERVE, QUEUE, WAITS | SELECTABLE | NEEDS_SESSION, queue_reserve)                \
  X(QUEUE_ACK, QUEUE, ONE_WAY | NEEDS_SESSION, queue_ack)                                   \
  X(QUEUE_EXTEND, QUEUE, ONE_WAY | NEEDS_SESSION, queue_extend)                             \
  X(QUEUE_RETURN, QUEUE, ONE_WAY | NEEDS_SESSION, queue_return)                             \
  X(QUEUE_BURY, QUEUE, ONE_WAY | NEEDS_SESSION, queue_bury)                                 \
  X(QUEUE_KICK, QUEUE, ONE_WAY, queue_kick)                                                 \
  X(QUEUE_SHUTDOWN, QUEUE, ONE_WAY, queue_shutdown)                                         \
  X(PIPE_ATTACH, PIPE, NEEDS_SESSION, pipe_attach)                                          \
  X(PIPE_SEND, PIPE, WAITS | STORES | ONE_WAY, pipe_send)                                   \
  X(PIPE_RECV, PIPE, WAITS | SELECTABLE, pipe_recv)                                         \
  X(PIPE_POLL, PIPE, WAITS | LOOKS | SELECTABLE, pipe_poll)                                 \
  X(PIPE_CLOSE, PIPE, ONE_WAY, pipe_close)                                                  \
  X(NAMESPACE_GET, NAMESPACE, READS, namespace_get)                                         \
  X(NAMESPACE_SET, NAMESPACE, STORES | ONE_WAY, namespace_set)                              \
  X(NAMESPACE_DELETE, NAMESPACE, ONE_WAY, namespace_delete)                                 \
  X(NAMESPACE_LIST, NAMESPACE, READS, namespace_list)                                       \
  X(VALUE_GET, VALUES, WAITS | LOOKS | IN_TRANSACTION, value_get)                           \
  X(VALUE_SET, VALUES, WAITS | ONE_WAY | IN_TRANSACTION, value_set)                         \
  X(VALUE_ADD, VALUES, WAITS | ONE_WAY | IN_TRANSACTION, value_add)                         \
  X(VALUE_COMPARE_AND_SET, VALUES, WAITS | ONE_WAY | IN_TRANSACTION, value_compare_and_set) \
  X(VALUE_WAIT, VALUES, WAITS | LOOKS | SELECTABLE, value_wait)                             \
  X(ARRAY_GET, ARRAYS, WAITS | LOOKS | IN_TRANSACTION, array_get)                           \
  X(ARRAY_SET, ARRAYS, WAITS | ONE_WAY | IN_TRANSACTION, array_set)                         \
  X(ARRAY_GET_SLICE, ARRAYS, WAITS | LOOKS, array_get_slice)                                \
  X(ARRAY_SET_SLICE, ARRAYS, WAITS | ONE_WAY, array_set_slice)                              \
  X(ARRAY_LEN, ARRAYS, READS, array_len)                                                    \
  X(ARRAY_ADD, ARRAYS, WAITS | ONE_WAY | IN_TRANSACTION, array_add)                         \
  X(CELL_NUDGE, CELLS, NEEDS_SESSION | READS | SILENT, cell_nudge)                          \
  X(LOCK_ACQUIRE, LOCKS, WAITS | NEEDS_SESSION | SELECTABLE | IN_TRANSACTION, lock_acquire) \
  X(LOCK_RELEASE, LOCKS, ONE_WAY | IN_TRANSACTION, lock_release)                            \
  X(LOCK_LIST, NO_OBJECT, READS, lock_list)                                                 \
  X(SEMAPHORE_ACQUIRE, SEMAPHORES, WAITS | NEEDS_SESSION | SELECTABLE | IN_TRANSACTION,     \
    semaphore_acquire)                                                                      \
  X(SEMAPHORE_RELEASE, SEMAPHORES, ONE_WAY | IN_TRANSACTION, semaphore_release)             \
  X(EVENT_SET, EVENT, ONE_WAY | IN_TRANSACTION, event_set)                                  \
  X(EVENT_CLEAR, EVENT, ONE_WAY | IN_TRANSACTION, event_clear)                              \
  X(EVENT_IS_SET, EVENT, READS | IN_TRANSACTION, event_is_set)                              \
  X(EVENT_WAIT, EVENT, WAITS | ANY_TIMEOUT | LOOKS | SELECTABLE, event_wait)                \
  X(CONDITION_WAIT, CONDITION, WAITS | NEEDS_SESSION, condition_wait)                       \
  X(CONDITION_NOTIFY, CONDITION, ONE_WAY, condition_notify)                                 \
  X(BARRIER_WAIT, BARRIER, WAITS | NEEDS_SESSION, barrier_wait)                             \
  X(BARRIER_DONE, BARRIER, NEEDS_SESSION, barrier_done)                                     \
  X(BARRIER_ABORT, BARRIER, ONE_WAY, barrier_abort)                                         \
  X(BARRIER_RESET, BARRIER, ONE_WAY, barrier_reset)

/* The operation of a request; NULL: none is set, or one this server does not know. */
const struct operation *operations_find(const Holdfast__Request *message);
/* "dict_get": the arm's name in holdfast.proto. "?" for none. */
const char *operations_name(uint32_t arm);

#endif
