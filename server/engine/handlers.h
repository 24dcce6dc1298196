/* A handler per operation; what each does is in proto/operations/, under its name.
 *
 * layer   engine
 * The rows of dispatch/operations.h tie them to the arms of the request.
 */
#ifndef HF_ENGINE_HANDLERS_H
#define HF_ENGINE_HANDLERS_H

#include "proto/status.h"

struct call;

#define HANDLER(name) hf_reason handle_##name(struct call *call);

/* operations/session.c */
HANDLER(open_session)
HANDLER(resume_session)
HANDLER(fork_session)
HANDLER(close_session)
HANDLER(cancel)
HANDLER(acknowledge)
HANDLER(ping)
HANDLER(flush)
HANDLER(server_info)
HANDLER(server_snapshot)
HANDLER(server_backup)

/* operations/object.c */
HANDLER(object_open)
HANDLER(object_delete)
HANDLER(object_info)
HANDLER(object_retain)
HANDLER(object_release)
/* Before object_open. HF_REASON_NONE | NO_RIGHT JOURNAL_FULL it would make an object */
hf_reason object_check_open(struct call *call);

/* operations/object_list.c */
HANDLER(object_list)

/* operations/lock_list.c */
HANDLER(lock_list)

/* operations/wait_any.c */
HANDLER(wait_any)

/* operations/transaction.c */
HANDLER(transaction)

/* kinds/dict.c */
HANDLER(dict_get)
HANDLER(dict_set)
HANDLER(dict_delete)
HANDLER(dict_contains)
HANDLER(dict_len)
HANDLER(dict_keys)
HANDLER(dict_values)
HANDLER(dict_items)
HANDLER(dict_clear)
HANDLER(dict_pop)
HANDLER(dict_pop_item)
HANDLER(dict_set_default)
HANDLER(dict_update)
HANDLER(dict_add)
HANDLER(dict_compare_and_set)
HANDLER(dict_replace)
HANDLER(dict_get_many)
HANDLER(dict_scan)
HANDLER(dict_wait)

/* kinds/list.c */
HANDLER(list_get)
HANDLER(list_set)
HANDLER(list_delete)
HANDLER(list_get_slice)
HANDLER(list_set_slice)
HANDLER(list_delete_slice)
HANDLER(list_append)
HANDLER(list_extend)
HANDLER(list_insert)
HANDLER(list_pop)
HANDLER(list_remove)
HANDLER(list_index)
HANDLER(list_count)
HANDLER(list_contains)
HANDLER(list_len)
HANDLER(list_reverse)
HANDLER(list_sort)
HANDLER(list_concat)
HANDLER(list_repeat)
HANDLER(list_repeat_in_place)
HANDLER(list_copy)
HANDLER(list_clear)
HANDLER(list_add)
HANDLER(list_compare_and_set)

/* kinds/queue.c */
HANDLER(queue_put)
HANDLER(queue_get)
HANDLER(queue_size)
HANDLER(queue_empty)
HANDLER(queue_full)
HANDLER(queue_task_done)
HANDLER(queue_join)
HANDLER(queue_get_many)
HANDLER(queue_put_many)
HANDLER(queue_shutdown)

/* kinds/reservation.c */
HANDLER(queue_reserve)
HANDLER(queue_ack)
HANDLER(queue_extend)
HANDLER(queue_return)
HANDLER(queue_bury)
HANDLER(queue_kick)

/* kinds/pipe.c */
HANDLER(pipe_attach)
HANDLER(pipe_send)
HANDLER(pipe_recv)
HANDLER(pipe_poll)
HANDLER(pipe_close)

/* kinds/namespace.c */
HANDLER(namespace_get)
HANDLER(namespace_set)
HANDLER(namespace_delete)
HANDLER(namespace_list)

/* kinds/value.c */
HANDLER(value_get)
HANDLER(value_set)
HANDLER(value_add)
HANDLER(value_compare_and_set)
HANDLER(value_wait)

/* kinds/array.c */
HANDLER(array_get)
HANDLER(array_set)
HANDLER(array_get_slice)
HANDLER(array_set_slice)
HANDLER(array_len)
HANDLER(array_add)
HANDLER(array_read)
HANDLER(array_write)

/* kinds/cell.c */
HANDLER(cell_notify)

/* kinds/lock.c */
HANDLER(lock_acquire)
HANDLER(lock_release)

/* kinds/semaphore.c */
HANDLER(semaphore_acquire)
HANDLER(semaphore_release)

/* kinds/event.c */
HANDLER(event_set)
HANDLER(event_clear)
HANDLER(event_is_set)
HANDLER(event_wait)

/* kinds/condition.c */
HANDLER(condition_wait)
HANDLER(condition_notify)

/* kinds/barrier.c */
HANDLER(barrier_wait)
HANDLER(barrier_done)
HANDLER(barrier_abort)
HANDLER(barrier_reset)

#undef HANDLER

#endif
