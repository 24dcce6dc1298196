#include "tests/integration/every_call.h"

#include <holdfast/holdfast.h>
#include <stdlib.h>

enum { SOON_MS = 5000 };

static _Thread_local const char *failed;

static void check(hf_status status, const char *call) {
  if (status != HF_OK && failed == NULL) {
    failed = call;
  }
}
#define DO(call) check((call), #call)

/* Frees what came back. */
static void take(hf_value *values, size_t count) {
  hf_values_free(values, count);
}

static void use_dict_changes(hf_dict *dict) {
  const hf_value one = hf_int(1), two = hf_int(2);
  const struct hf_entry entries[] = {{hf_text("a"), hf_int(1)}, {hf_text("b"), hf_int(2)}};
  hf_value value;
  struct hf_entry entry;
  bool swapped;
  DO(hf_dict_update(dict, entries, 2));
  DO(hf_dict_set(dict, hf_text("c"), hf_int(3)));
  DO(hf_dict_add(dict, hf_text("c"), hf_int(3), &value));
  DO(hf_dict_compare_and_set(dict, hf_text("a"), &one, &two, &swapped, &value));
  DO(hf_dict_replace(dict, hf_text("a"), hf_int(1)));
  DO(hf_dict_setdefault(dict, hf_text("d"), hf_int(4), &value));
  DO(hf_dict_wait(dict, hf_text("d"), &one, SOON_MS, &value));
  DO(hf_dict_pop(dict, hf_text("d"), NULL, &value));
  DO(hf_dict_popitem(dict, &entry));
  hf_value_clear(&entry.key);
  DO(hf_dict_delete(dict, hf_text("b")));
}

static void use_dict(hf_conn *conn) {
  hf_dict *dict;
  hf_value value, *values, keys[] = {hf_text("a")};
  struct hf_entry *entries;
  struct hf_dict_scan scan = {.strict = true}, left = {.strict = true};
  const struct hf_entry *entry;
  size_t count;
  uint64_t len;
  bool found;
  DO(hf_dict_open(conn, NULL, &dict));
  use_dict_changes(dict);
  DO(hf_dict_get(dict, hf_text("a"), &value));
  DO(hf_dict_contains(dict, hf_text("a"), &found));
  DO(hf_dict_len(dict, &len));
  DO(hf_dict_keys(dict, &values, &count));
  take(values, count);
  DO(hf_dict_values(dict, &values, &count));
  take(values, count);
  DO(hf_dict_items(dict, &entries, &count));
  hf_entries_free(entries, count);
  DO(hf_dict_copy(dict, &entries, &count));
  hf_entries_free(entries, count);
  DO(hf_dict_get_many(dict, keys, 1, &entries, &count));
  hf_entries_free(entries, count);
  do {
    DO(hf_dict_next(dict, &scan, &entry));
  } while (failed == NULL && entry != NULL);
  DO(hf_dict_next(dict, &left, &entry));
  hf_dict_scan_stop(&left);
  DO(hf_dict_clear(dict));
  hf_dict_close(dict);
}

static void use_list_changes(hf_list *list) {
  const hf_value three[] = {hf_int(3), hf_int(1), hf_int(2)};
  hf_value value;
  bool swapped;
  DO(hf_list_extend(list, three, 3));
  DO(hf_list_append(list, hf_text("last")));
  DO(hf_list_pop(list, HF_OMITTED, &value));
  hf_value_clear(&value);
  DO(hf_list_insert(list, 0, hf_int(9)));
  DO(hf_list_set(list, 0, hf_int(8)));
  DO(hf_list_add(list, 0, hf_int(1), &value));
  DO(hf_list_compare_and_set(list, 0, hf_int(9), hf_int(7), &swapped, &value));
  DO(hf_list_remove(list, hf_int(7)));
  DO(hf_list_sort(list, false));
  DO(hf_list_reverse(list));
  DO(hf_list_set_slice(list, HF_SLICE_ALL, three, 3));
  DO(hf_list_repeat_in_place(list, 2));
  DO(hf_list_delete(list, 0));
  DO(hf_list_delete_slice(list, (struct hf_slice){0, 1, 1}));
}

static void use_list(hf_conn *conn) {
  hf_list *list;
  hf_value value, one = hf_int(1), *values;
  size_t count;
  uint64_t len;
  bool found;
  DO(hf_list_open(conn, NULL, &list));
  use_list_changes(list);
  DO(hf_list_get(list, 0, &value));
  DO(hf_list_get_slice(list, HF_SLICE_ALL, &values, &count));
  take(values, count);
  DO(hf_list_index(list, hf_int(2), HF_OMITTED, HF_OMITTED, &len));
  DO(hf_list_count(list, hf_int(2), &len));
  DO(hf_list_contains(list, hf_int(2), &found));
  DO(hf_list_len(list, &len));
  DO(hf_list_concat(list, &one, 1, &values, &count));
  take(values, count);
  DO(hf_list_repeat(list, 2, &values, &count));
  take(values, count);
  DO(hf_list_copy(list, &values, &count));
  take(values, count);
  DO(hf_list_clear(list));
  hf_list_close(list);
}

static void use_work(hf_queue *queue) {
  const struct hf_put_options first = {.priority = -1};
  struct hf_reservation reservation;
  hf_value two[] = {hf_int(1), hf_int(2)}, *values;
  size_t count;
  uint64_t kicked;
  DO(hf_queue_put_with(queue, hf_text("work"), &first, SOON_MS));
  DO(hf_queue_put_many(queue, two, 2, NULL, SOON_MS, &count));
  DO(hf_queue_reserve(queue, 60000, SOON_MS, &reservation));
  hf_value_clear(&reservation.value);
  DO(hf_queue_extend(queue, reservation.id, 60000));
  DO(hf_queue_return(queue, reservation.id, 0));
  DO(hf_queue_reserve(queue, 60000, SOON_MS, &reservation));
  hf_value_clear(&reservation.value);
  DO(hf_queue_bury(queue, reservation.id));
  DO(hf_queue_kick(queue, 0, &kicked));
  DO(hf_queue_reserve(queue, 60000, SOON_MS, &reservation));
  hf_value_clear(&reservation.value);
  DO(hf_queue_ack(queue, reservation.id));
  DO(hf_queue_get_many(queue, 10, SOON_MS, &values, &count));
  take(values, count);
}

static void use_queue(hf_conn *conn) {
  hf_queue *queue;
  hf_value value;
  uint64_t size;
  bool is;
  DO(hf_queue_open(conn, NULL, 0, &queue));
  DO(hf_queue_put(queue, hf_int(1), SOON_MS));
  DO(hf_queue_size(queue, &size));
  DO(hf_queue_empty(queue, &is));
  DO(hf_queue_full(queue, &is));
  DO(hf_queue_get(queue, SOON_MS, &value));
  DO(hf_queue_task_done(queue));
  DO(hf_queue_join(queue, SOON_MS));
  use_work(queue);
  DO(hf_queue_shutdown(queue, true));
  hf_queue_close(queue);
}

static void use_pipe(hf_conn *conn) {
  hf_pipe *ends[2], *named;
  hf_value value;
  bool readable;
  DO(hf_pipe_new(conn, true, ends));
  DO(hf_pipe_send(ends[0], hf_text("through"), SOON_MS));
  DO(hf_pipe_poll(ends[1], SOON_MS, &readable));
  DO(hf_pipe_recv(ends[1], SOON_MS, &value));
  hf_value_clear(&value);
  hf_pipe_close(ends[0]);
  hf_pipe_close(ends[1]);
  DO(hf_pipe_open(conn, "every call's pipe", 0, &named));
  DO(hf_object_delete(HF_AS_OBJECT(named)));
  hf_pipe_close(named);
  DO(hf_pipe_open_one_way(conn, "every call's pipe", 1, &named));
  DO(hf_object_delete(HF_AS_OBJECT(named)));
  hf_pipe_close(named);
}

static void use_namespace(hf_conn *conn) {
  hf_namespace *ns;
  hf_value value, *values;
  size_t count;
  DO(hf_namespace_open(conn, NULL, &ns));
  DO(hf_namespace_set(ns, "x", hf_int(1)));
  DO(hf_namespace_get(ns, "x", &value));
  DO(hf_namespace_list(ns, &values, &count));
  take(values, count);
  DO(hf_namespace_delete(ns, "x"));
  hf_namespace_close(ns);
}

static void use_cell(hf_cell *cell, bool has_lock) {
  struct hf_grant grant;
  hf_value value;
  int64_t integer;
  double real;
  bool swapped;
  DO(hf_cell_set(cell, hf_int(1)));
  DO(hf_cell_get(cell, &value));
  DO(hf_cell_get_int(cell, &integer));
  DO(hf_cell_get_float(cell, &real));
  DO(hf_cell_add(cell, hf_int(1), &value));
  DO(hf_cell_add_int(cell, 1, &integer));
  DO(hf_cell_compare_and_set(cell, hf_int(3), hf_int(4), &swapped, &value));
  DO(hf_cell_wait(cell, hf_int(3), SOON_MS, &value));
  DO(hf_cell_exchange(cell, hf_int(5), &value));
  DO(hf_cell_load_i64(cell, &integer));
  DO(hf_cell_store_i64(cell, 6));
  DO(hf_cell_add_i64(cell, 1, &integer));
  DO(hf_cell_exchange_i64(cell, 8, &integer));
  (void)hf_cell_data(cell);
  if (has_lock) {
    DO(hf_cell_lock(cell, SOON_MS));
    DO(hf_cell_unlock(cell));
    DO(hf_cell_lock_with(cell, SOON_MS, &grant));
  }
  hf_cell_close(cell); /* with its lock */
}

static void use_array(hf_array *array, bool has_lock) {
  const hf_value three[] = {hf_int(1), hf_int(2), hf_int(3)};
  struct hf_grant grant;
  hf_value value, *values;
  int64_t integer;
  uint64_t len;
  size_t count;
  int64_t range[3];
  DO(hf_array_read(array, 0, 3, range));
  DO(hf_array_write(array, 0, 3, range));
  DO(hf_array_set_slice(array, HF_SLICE_ALL, three, 3));
  DO(hf_array_get_slice(array, HF_SLICE_ALL, &values, &count));
  take(values, count);
  DO(hf_array_set(array, 0, hf_int(7)));
  DO(hf_array_get(array, 0, &value));
  DO(hf_array_add(array, 0, hf_int(1), &value));
  DO(hf_array_len(array, &len));
  DO(hf_array_load_i64(array, 1, &integer));
  DO(hf_array_store_i64(array, 1, 6));
  DO(hf_array_add_i64(array, 1, 1, &integer));
  (void)hf_array_data(array);
  if (has_lock) {
    DO(hf_array_lock(array, SOON_MS));
    DO(hf_array_unlock(array));
    DO(hf_array_lock_with(array, SOON_MS, &grant));
    DO(hf_array_unlock(array));
  }
  hf_array_close(array);
}

static void use_cells(hf_conn *conn) {
  const hf_value three[] = {hf_int(1), hf_int(2), hf_int(3)};
  hf_cell *cell;
  hf_array *array;
  DO(hf_cell_open(conn, NULL, 'q', hf_int(0), &cell));
  use_cell(cell, true);
  DO(hf_raw_cell_open(conn, NULL, 'q', hf_int(0), &cell));
  use_cell(cell, false);
  DO(hf_array_open(conn, NULL, 'q', 3, three, &array));
  use_array(array, true);
  DO(hf_raw_array_open(conn, NULL, 'q', 3, NULL, &array));
  use_array(array, false);
}

static void use_locks(hf_conn *conn) {
  const struct hf_lock_options options = {.robust = true};
  struct hf_lock_info *locks;
  struct hf_grant grant;
  hf_lock *lock, *rlock;
  size_t count;
  DO(hf_lock_open(conn, NULL, &lock));
  DO(hf_lock_acquire(lock, SOON_MS, &grant));
  DO(hf_list_locks(conn, &locks, &count));
  hf_locks_free(locks, count);
  DO(hf_lock_release_token(lock, grant.token));
  DO(hf_lock_acquire_with(lock, &options, SOON_MS, &grant));
  DO(hf_lock_release(lock));
  hf_lock_close(lock);
  DO(hf_rlock_open(conn, NULL, &rlock));
  DO(hf_lock_acquire(rlock, SOON_MS, NULL));
  DO(hf_lock_release(rlock));
  hf_lock_close(rlock);
}

static bool always(void *ctx) {
  (void)ctx;
  return true;
}

static void use_condition(hf_conn *conn) {
  hf_condition *condition;
  bool is;
  DO(hf_condition_open(conn, NULL, NULL, &condition));
  DO(hf_condition_acquire(condition, SOON_MS));
  DO(hf_condition_notify(condition, 1));
  DO(hf_condition_notify_all(condition));
  DO(hf_condition_wait(condition, 1, &is));
  DO(hf_condition_wait_for(condition, always, NULL, SOON_MS, &is));
  DO(hf_condition_release(condition));
  hf_condition_close(condition);
}

static void use_signals(hf_conn *conn) {
  hf_semaphore *semaphore;
  hf_event *event;
  hf_barrier *barrier;
  uint64_t index;
  bool is;
  DO(hf_semaphore_open(conn, NULL, 1, &semaphore));
  DO(hf_semaphore_acquire(semaphore, SOON_MS));
  DO(hf_semaphore_release(semaphore, 1));
  hf_semaphore_close(semaphore);
  DO(hf_bounded_semaphore_open(conn, NULL, 1, &semaphore));
  hf_semaphore_close(semaphore);
  DO(hf_event_open(conn, NULL, &event));
  DO(hf_event_set(event));
  DO(hf_event_is_set(event, &is));
  DO(hf_event_wait(event, SOON_MS, &is));
  DO(hf_event_clear(event));
  hf_event_close(event);
  DO(hf_barrier_open(conn, NULL, 1, &barrier));
  DO(hf_barrier_wait(barrier, SOON_MS, always, NULL, &index));
  DO(hf_barrier_abort(barrier));
  DO(hf_barrier_reset(barrier));
  hf_barrier_close(barrier);
}

static void use_objects(hf_conn *conn) {
  struct hf_object_info info, *infos;
  hf_object *object, *again;
  hf_list *list, *named;
  hf_value value;
  size_t count;
  DO(hf_list_open(conn, NULL, &list));
  DO(hf_list_append(list, hf_reference(HF_AS_OBJECT(list))));
  DO(hf_list_pop(list, 0, &value));
  DO(hf_reference_open(conn, &value, &again));
  hf_object_close(again);
  hf_list_close(list);
  DO(hf_list_open(conn, "every call's list", &named));
  DO(hf_open(conn, "every call's list", HF_ANY, &object));
  DO(hf_object_info(object, &info));
  DO(hf_list_objects(conn, "every call", HF_ANY, &infos, &count));
  free(infos);
  hf_object_close(object);
  DO(hf_delete(conn, "every call's list"));
  hf_list_close(named);
}

static void use_modes(hf_conn *conn) {
  struct hf_pipeline_result collected;
  struct hf_flush_result flushed;
  hf_list *list;
  hf_queue *queue;
  hf_value value;
  size_t index;
  DO(hf_list_open(conn, NULL, &list));
  DO(hf_queue_open(conn, NULL, 0, &queue));
  DO(hf_pipeline_begin(conn, 0));
  DO(hf_list_append(list, hf_int(1)));
  DO(hf_pipeline_collect(conn));
  DO(hf_queue_put(queue, hf_int(1), SOON_MS));
  DO(hf_pipeline_end(conn, &collected));
  DO(hf_pipeline_status(conn, 0));
  DO(hf_oneway_begin(conn));
  DO(hf_list_append(list, hf_int(2)));
  DO(hf_oneway_end(conn));
  DO(hf_flush(conn, SOON_MS, &flushed));
  DO(hf_wait_any_begin(conn));
  DO(hf_queue_get(queue, HF_FOREVER, &value));
  DO(hf_wait_any_end(conn, SOON_MS, &index));
  hf_queue_close(queue);
  hf_list_close(list);
}

static void use_transactions(hf_conn *conn) {
  hf_dict *dict;
  hf_queue *queue;
  hf_lock *lock;
  hf_event *event;
  hf_cell *cell;
  struct hf_grant grant;
  DO(hf_dict_open(conn, NULL, &dict));
  DO(hf_queue_open(conn, NULL, 0, &queue));
  DO(hf_lock_open(conn, NULL, &lock));
  DO(hf_event_open(conn, NULL, &event));
  DO(hf_cell_open(conn, NULL, 'q', hf_int(5), &cell));
  DO(hf_transaction_begin(conn));
  DO(hf_require_free(lock));
  DO(hf_event_set(event));
  DO(hf_transaction_commit(conn, 0, NULL));
  DO(hf_lock_acquire(lock, SOON_MS, &grant));
  DO(hf_transaction_begin(conn));
  DO(hf_require_equal(dict, hf_text("k"), NULL));
  DO(hf_require_length(HF_AS_OBJECT(dict), 0));
  DO(hf_require_room(queue, 1));
  DO(hf_require_owned(lock, grant.token));
  DO(hf_require_set(event));
  DO(hf_require_at_least(cell, hf_int(5)));
  DO(hf_dict_set(dict, hf_text("k"), hf_int(1)));
  DO(hf_transaction_commit(conn, SOON_MS, NULL));
  DO(hf_transaction_begin(conn));
  hf_transaction_drop(conn);
  hf_cell_close(cell);
  hf_event_close(event);
  hf_lock_close(lock);
  hf_queue_close(queue);
  hf_dict_close(dict);
}

static void use_server(hf_conn *conn) {
  struct hf_server_info info;
  hf_value value = hf_int(1);
  DO(hf_ping(conn, NULL));
  DO(hf_server_info(conn, &info));
  (void)hf_conn_path(conn);
  (void)hf_conn_path_reason(conn);
  hf_value_clear(&value);
  if (hf_open(conn, "nothing of that name", HF_ANY, &(hf_object *){NULL}) != HF_NOT_FOUND ||
      hf_last_error()->status != HF_NOT_FOUND) {
    failed = "hf_open of nothing";
  }
  hf_cancel(conn); /* withdraws the next call that would wait: only that call fails */
}

const char *every_call(const char *url) {
  static void (*const uses[])(hf_conn *) = {
      use_dict,      use_list,    use_queue,   use_pipe,  use_namespace,    use_cells, use_locks,
      use_condition, use_signals, use_objects, use_modes, use_transactions, use_server};
  hf_conn *conn;
  failed = NULL;
  DO(hf_connect(url, NULL, &conn));
  for (size_t i = 0; i < sizeof uses / sizeof *uses && failed == NULL; i++) {
    uses[i](conn);
  }
  if (failed == NULL) {
    hf_close(conn);
  }
  return failed;
}
