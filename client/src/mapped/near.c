#include "client/src/mapped/near.h"

#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "client/src/call/mode.h"
#include "client/src/connection/cancel.h"
#include "client/src/connection/cancellation.h"
#include "client/src/connection/fork.h"
#include "client/src/mapped/segments.h"
#include "proto/base/clock.h"

static_assert(CELL_WORD_THREAD == FUTEX_TID_MASK && CELL_WORD_DIED == FUTEX_OWNER_DIED,
              "the kernel's");

/* Who waits looks this often whether it was cancelled, or the server has died. */
#define SLICE_MS HF_CELL_LOOK_MS

/* ---------------------------------------------------------------- where it is */

static bool is_cell(hf_kind kind) {
  return kind >= HF_VALUE && kind <= HF_RAW_ARRAY;
}

static bool has_lock(const hf_object *object) {
  return object->kind == HF_VALUE || object->kind == HF_ARRAY;
}

static struct cell_header *header_of(const hf_object *object) {
  return __atomic_load_n(&object->near.header, __ATOMIC_ACQUIRE);
}

/* Once: other threads read it by then. */
void near_note_place(hf_object *object, const Holdfast__Object *reply) {
  struct near_cell *cell = &object->near;
  if (!is_cell(object->kind) || cell->is_asked) {
    return;
  }
  cell->type = reply->typecode.len == 1 ? cell_type_of((char)reply->typecode.data[0]) : NULL;
  cell->count = reply->length;
  cell->segment = reply->segment;
  cell->offset = reply->offset;
  cell->bytes = reply->bytes;
  __atomic_store_n(&cell->knows_count, cell->type != NULL, __ATOMIC_RELEASE);
  __atomic_store_n(&cell->is_asked, true, __ATOMIC_RELEASE);
}

/* What the server says is checked like everything that comes from outside. */
static bool fits(const struct near_cell *cell, size_t segment_bytes) {
  return cell->type != NULL && cell->offset % CELL_ALIGNMENT == 0 &&
         cell->offset <= segment_bytes && cell->bytes <= segment_bytes - cell->offset &&
         cell->bytes >= CELL_HEADER_BYTES &&
         cell->count <= (cell->bytes - CELL_HEADER_BYTES) / cell->type->bytes;
}

/* Raw numbers of C's types are for the public header's inline functions too, which look at the
 * pointer before they look at the count. */
static void open_view(hf_object *object) {
  const struct cell_type *type = object->near.type;
  struct hf_view *view = &object->view;
  void *elements = object->near.elements;
  if (has_lock(object)) {
    return;
  }
  view->count = object->near.count;
  if (type->is_float && type->bytes == sizeof(double)) {
    __atomic_store_n(&view->f64, elements, __ATOMIC_RELEASE);
  } else if (!type->is_float && type->min < 0 && type->bytes == sizeof(int64_t)) {
    __atomic_store_n(&view->i64, elements, __ATOMIC_RELEASE);
  } else if (!type->is_float && type->min < 0 && type->bytes == sizeof(int32_t)) {
    __atomic_store_n(&view->i32, elements, __ATOMIC_RELEASE);
  }
}

static void publish(hf_object *object, struct cell_header *header) {
  object->near.elements = (char *)header + CELL_HEADER_BYTES;
  __atomic_store_n(&object->near.header, header, __ATOMIC_RELEASE);
  open_view(object);
}

void near_map(hf_object *object) {
  struct near_cell *cell = &object->near;
  if (cell->segment == 0 || __atomic_exchange_n(&cell->is_mapped, true, __ATOMIC_ACQ_REL)) {
    return;
  }
  hf_conn *conn = object->conn;
  struct segment_map *before = cell->map; /* a child's: the parent's */
  int cancellation = cancellation_disable();
  cell->life = segments_life(conn);
  struct segment_map *map =
      cell->life != NULL ? segments_use(conn, cell->segment, cell->bytes) : NULL;
  cancellation_restore(cancellation);
  if (map == NULL) {
    return;
  }
  cell->map = map;
  if (fits(cell, map->bytes)) {
    publish(object, (struct cell_header *)(void *)((char *)map->address + cell->offset));
  }
  segments_let_go(conn, before);
}

static hf_reason take_place(hf_conn *conn, const Holdfast__Response *reply,
                            const struct result *result) {
  (void)conn;
  if (reply->result_case != HOLDFAST__RESPONSE__RESULT_OBJECT) {
    return HF_REASON_BAD_REPLY;
  }
  near_note_place(result->first, reply->object);
  return HF_REASON_NONE;
}

/* A handle that came by another way than opening: from a reference, or through a fork. */
static hf_status ask(hf_object *object) {
  struct request request;
  Holdfast__ObjectInfo arm = HOLDFAST__OBJECT_INFO__INIT;
  arm.map = true;
  request_of(&request, object, OPERATION(OBJECT_INFO));
  request.is_internal = true;
  request_ask(&request, take_place, object, NULL);
  hf_status status = request_send(&request, &arm.base);
  if (status == HF_OK) {
    near_map(object);
  }
  return status;
}

static bool may_be_near(const hf_object *object) {
  return is_cell(object->kind) && !__atomic_load_n(&object->near.is_asked, __ATOMIC_ACQUIRE) &&
         segments_are_wanted(object->conn);
}

void *near_elements(hf_object *object) {
  if (header_of(object) == NULL && may_be_near(object)) {
    (void)ask(object); /* what can't be told is not mapped */
  }
  return header_of(object) != NULL ? object->near.elements : NULL;
}

bool near_knows_count(hf_object *object) {
  bool knows = __atomic_load_n(&object->near.knows_count, __ATOMIC_ACQUIRE);
  if (!knows && may_be_near(object) && !near_is_gathering(object)) {
    (void)ask(object);
    knows = __atomic_load_n(&object->near.knows_count, __ATOMIC_ACQUIRE);
  }
  return knows;
}

void near_become_child(hf_object *object) {
  object->view = (struct hf_view){NULL};
  object->near.elements = NULL;
  object->near.header = NULL;
  object->near.is_asked = false;
  object->near.is_mapped = false;
  object->near.depth = 0;
}

/* ---------------------------------------------------------------- the lock */

/* So that the server looks at the cell. It looks by itself too, only later. */
static void nudge(hf_object *object) {
  hf_conn *conn = object->conn;
  Holdfast__CellNudge arm = HOLDFAST__CELL_NUDGE__INIT;
  const struct envelope envelope = {
      .timeout_ms = -1, .object = object->id, .operation = OPERATION(CELL_NUDGE), .arm = &arm.base};
  int cancellation = cancellation_disable();
  conn_lock(conn);
  struct slot *slot = NULL;
  if (conn->state == CONN_UP && conn->window.used_count < WINDOW_SLOTS_MAX) {
    slot = window_add(&conn->window, conn->transport->framing, &envelope);
  }
  if (slot != NULL) {
    slot->is_silent = true;
    conn_write(conn);
  }
  conn_unlock(conn);
  cancellation_restore(cancellation);
}

static void unlock(hf_object *object, struct cell_header *header) {
  pthread_mutex_unlock(&header->mutex);
  near_lock_barrier();
  if (atomic_load_explicit(&header->remote, memory_order_relaxed) != 0) {
    nudge(object);
  }
}

void near_take_over_from_dead(struct cell_header *header) {
  pthread_mutex_consistent(&header->mutex);
  if (atomic_fetch_and(&header->flags, ~(uint32_t)CELL_TOLD) & CELL_TOLD) {
    return;
  }
  atomic_fetch_or(&header->flags, CELL_DIED);
}

/* The thread has the mutex: may it stay? */
static inline enum near_way stay(hf_object *object, struct cell_header *header) {
  if (near_may_stay(object, header)) {
    return NEAR_IN;
  }
  pthread_mutex_unlock(&header->mutex); /* the request that follows is as good as a nudge */
  return NEAR_REQUEST;
}

static struct timespec timespec_of(uint64_t ns) {
  const uint64_t ns_per_s = 1000 * CLOCK_NS_PER_MS;
  return (struct timespec){(time_t)(ns / ns_per_s), (long)(ns % ns_per_s)};
}

/* A wait here, which hf_cancel ends as it does those on the server. */
struct local_wait {
  hf_conn *conn;
  unsigned cancels; /* there were, when it began */
  uint64_t deadline_ns;
  uint64_t now_ns;
};

static struct local_wait wait_begin(hf_conn *conn, int64_t timeout_ms) {
  uint64_t now_ns = clock_now_ns();
  return (struct local_wait){
      .conn = conn,
      .cancels = atomic_load(&conn->cancel_count),
      .deadline_ns =
          timeout_ms == HF_FOREVER ? CLOCK_NEVER : clock_deadline_ns(now_ns, (uint64_t)timeout_ms),
      .now_ns = now_ns,
  };
}

static bool wait_is_cancelled(struct local_wait *wait) {
  bool is_cancelled = atomic_load(&wait->conn->cancel_count) != wait->cancels;
  if (atomic_load(&wait->conn->cancel_wanted)) { /* perhaps from before; once only */
    int cancellation = cancellation_disable();
    conn_lock(wait->conn);
    is_cancelled |= cancel_is_wanted(wait->conn);
    conn_unlock(wait->conn);
    cancellation_restore(cancellation);
  }
  return is_cancelled;
}

/* Before each slice: HF_REASON_NONE, until_ns when it ends | CANCELLED | TIMED_OUT */
static hf_reason wait_slice(struct local_wait *wait, uint64_t *until_ns) {
  wait->now_ns = clock_now_ns();
  if (wait_is_cancelled(wait)) {
    return HF_REASON_CANCELLED;
  }
  if (wait->now_ns >= wait->deadline_ns) {
    return HF_REASON_TIMED_OUT;
  }
  *until_ns = clock_deadline_ns(wait->now_ns, SLICE_MS);
  *until_ns = *until_ns < wait->deadline_ns ? *until_ns : wait->deadline_ns;
  return HF_REASON_NONE;
}

static int64_t wait_left_ms(const struct local_wait *wait) {
  if (wait->deadline_ns == CLOCK_NEVER) {
    return HF_FOREVER;
  }
  uint64_t now_ns = clock_now_ns();
  return now_ns < wait->deadline_ns ? (int64_t)((wait->deadline_ns - now_ns) / CLOCK_NS_PER_MS) : 0;
}

/* 0 or EOWNERDEAD: it has the mutex; ETIMEDOUT and *reason; another errno: it can't be had here */
static int lock_in_slices(hf_object *object, struct cell_header *header, int64_t *timeout_ms,
                          hf_reason *reason) {
  struct local_wait wait = wait_begin(object->conn, *timeout_ms);
  uint64_t until_ns;
  int error = ETIMEDOUT;
  while (error == ETIMEDOUT && (*reason = wait_slice(&wait, &until_ns)) == HF_REASON_NONE) {
    struct timespec until = timespec_of(until_ns);
    error = pthread_mutex_clocklock(&header->mutex, CLOCK_MONOTONIC, &until);
    if (error == ETIMEDOUT && near_is_server_dead(object)) {
      error = ENOENT;
    } else if (error == ETIMEDOUT) {
      nudge(object); /* it knows whether somebody has the mutex, or scribbled over it */
    }
  }
  *timeout_ms = wait_left_ms(&wait);
  return error;
}

static enum near_way fail(hf_reason reason, hf_status *status) {
  *status = error_reason(reason);
  return NEAR_FAILED;
}

/* What pthread_mutex_trylock answered was not simply 0. */
static enum near_way lock_slowly(hf_object *object, struct cell_header *header, int error,
                                 int64_t *timeout_ms, hf_status *status) {
  hf_reason reason = HF_REASON_NONE;
  if (error == EBUSY) {
    error = lock_in_slices(object, header, timeout_ms, &reason);
  }
  if (error == EOWNERDEAD) {
    near_take_over_from_dead(header);
    error = 0;
  }
  if (error == 0) {
    return stay(object, header);
  }
  if (error == ETIMEDOUT) {
    return fail(reason == HF_REASON_CANCELLED ? reason : HF_REASON_LOCK_HELD, status);
  }
  return NEAR_REQUEST;
}

static bool tell_death(struct cell_header *header) {
  return (atomic_load(&header->flags) & CELL_DIED) != 0 &&
         (atomic_fetch_and(&header->flags, ~(uint32_t)CELL_DIED) & CELL_DIED) != 0;
}

/* ---------------------------------------------------------------- calls that are gathered */

static uint32_t own_thread(void) {
  static _Thread_local uint32_t thread, generation;
  if (thread == 0 || generation != fork_generation()) {
    thread = (uint32_t)gettid();
    generation = fork_generation();
  }
  return thread;
}

static bool is_held_here(const struct cell_header *header) {
  return (atomic_load(&header->word) & CELL_WORD_THREAD) == own_thread();
}

/* The server's grant instead of the mutex, as often as this thread has that. */
static hf_status change_over(hf_object *object, struct cell_header *header) {
  struct request request;
  Holdfast__LockAcquire arm = HOLDFAST__LOCK_ACQUIRE__INIT;
  arm.levels = header->mutex.__data.__count;
  request_of(&request, object, OPERATION(LOCK_ACQUIRE));
  request.is_internal = true;
  request_ask(&request, result_grant, NULL, NULL);
  request_wait(&request, 0);
  hf_status status = request_send(&request, &arm.base);
  if (status == HF_OK) {
    object->near.depth = 0; /* as long as we have the mutex */
    for (uint32_t level = 0; level < arm.levels; level++) {
      pthread_mutex_unlock(&header->mutex);
    }
  }
  return status;
}

bool near_is_gathering(const hf_object *object) {
  hf_conn *conn = object->conn;
  return atomic_load_explicit(&conn->has_modes, memory_order_relaxed) && mode_is_open(conn);
}

/* Requests stand in line behind those gathered before; a lock held here would keep them out. */
static enum near_way gather(hf_object *object, struct cell_header *header, hf_status *status) {
  if (header == NULL || !has_lock(object) || !is_held_here(header)) {
    return NEAR_REQUEST;
  }
  *status = change_over(object, header);
  return *status == HF_OK ? NEAR_REQUEST : NEAR_FAILED;
}

/* ---------------------------------------------------------------- closing */

static bool is_held_by_another_thread(const struct cell_header *header) {
  uint32_t thread = atomic_load(&header->word) & CELL_WORD_THREAD;
  return thread != 0 && thread != own_thread() && tgkill(getpid(), (pid_t)thread, 0) == 0;
}

/* In the thread's list of robust mutexes a mutex is at the address it was locked at first, which
 * may be another connection's of the same cell. */
static bool is_listed_here(const struct cell_header *header) {
  struct robust_list_head *head;
  size_t len;
  if (syscall(SYS_get_robust_list, 0, &head, &len) != 0) {
    return true; /* perhaps */
  }
  const struct robust_list *item = &head->list;
  for (unsigned i = 0; i < ROBUST_LIST_LIMIT; i++) {
    item = (const struct robust_list *)((uintptr_t)item->next & ~(uintptr_t)1); /* as the kernel */
    if (item == &head->list) {
      return false;
    }
    if ((const char *)item + head->futex_offset == (const char *)&header->word) {
      return true;
    }
  }
  return true;
}

static bool is_locked_by_another_handle(const hf_object *object) {
  conn_lock(object->conn);
  const hf_object *other = object->conn->handles;
  while (other != NULL && (other == object || other->id != object->id || other->near.depth == 0)) {
    other = other->next;
  }
  conn_unlock(object->conn);
  return other != NULL;
}

/* The C library has the mutex in a thread's list, and writes there when the thread locks or unlocks
 * others: the place stays mapped, and the session's. */
static void leave_behind(hf_object *object) {
  segments_keep(object->conn, object->near.map);
  object->near.map = NULL;
  object->near.is_left_behind = true;
}

static void let_go_of_lock(hf_object *object, struct cell_header *header) {
  if (near_is_server_dead(object) || change_over(object, header) != HF_OK) {
    while (pthread_mutex_unlock(&header->mutex) == 0) {
    }
  }
}

void near_close(hf_object *object) {
  struct cell_header *header = header_of(object);
  bool has_locked = object->near.depth > 0;
  if (header == NULL || !has_lock(object)) {
    return;
  }
  if (!is_held_here(header)) {
    if (has_locked && is_held_by_another_thread(header)) {
      leave_behind(object);
    }
  } else if (has_locked) {
    let_go_of_lock(object, header);
  } else if (is_listed_here(header) && !is_locked_by_another_handle(object)) {
    leave_behind(object);
  }
}

/* ---------------------------------------------------------------- in and out */

enum near_way near_enter(hf_object *object, int64_t *timeout_ms, bool *owner_died,
                         hf_status *status) {
  struct cell_header *header = header_of(object);
  if (near_is_gathering(object)) {
    return gather(object, header, status);
  }
  if (header == NULL && may_be_near(object)) {
    *status = ask(object);
    header = header_of(object);
    if (*status == HF_UNAVAILABLE) {
      return NEAR_FAILED; /* a second request would wait as long once more */
    }
  }
  if (header == NULL || (*timeout_ms < 0 && *timeout_ms != HF_FOREVER)) {
    return NEAR_REQUEST;
  }
  if (!has_lock(object)) {
    return near_is_object(object, header) && !near_is_server_dead(object) ? NEAR_IN : NEAR_REQUEST;
  }
  int error = pthread_mutex_trylock(&header->mutex);
  enum near_way way =
      error == 0 ? stay(object, header) : lock_slowly(object, header, error, timeout_ms, status);
  if (way == NEAR_IN && owner_died != NULL) {
    *owner_died = tell_death(header);
    object->near.depth++;
  }
  return way;
}

void near_leave(hf_object *object) {
  if (has_lock(object)) {
    unlock(object, header_of(object));
  }
}

static void wake(struct cell_header *header) {
  atomic_fetch_and(&header->flags, ~(uint32_t)CELL_LOCAL_WAITS);
  atomic_fetch_add(&header->changes, 1);
  syscall(SYS_futex, &header->changes, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void near_leave_changed(hf_object *object) {
  struct cell_header *header = header_of(object);
  bool is_locked = has_lock(object);
  if (!is_locked) {
    atomic_thread_fence(memory_order_seq_cst);
  }
  uint32_t flags = atomic_load_explicit(&header->flags, memory_order_relaxed);
  if (is_locked) {
    unlock(object, header);
  }
  if (flags & CELL_LOCAL_WAITS) {
    wake(header);
  }
  if (flags & CELL_SERVER_WAITS) {
    nudge(object);
  }
}

hf_status near_lock(hf_object *object, int64_t timeout_ms, struct hf_grant *grant) {
  hf_status status;
  bool owner_died;
  switch (near_enter(object, &timeout_ms, &owner_died, &status)) {
    case NEAR_REQUEST:
      return hf_lock_acquire((hf_lock *)object, timeout_ms, grant);
    case NEAR_FAILED:
      return status;
    default:
      break;
  }
  if (!has_lock(object)) {
    return error_reason(HF_REASON_WRONG_KIND);
  }
  if (grant != NULL) {
    *grant = (struct hf_grant){.owner_died = owner_died};
  }
  return HF_OK;
}

hf_status near_unlock(hf_object *object) {
  struct cell_header *header = header_of(object);
  hf_status status;
  if (header != NULL && has_lock(object) && is_held_here(header)) {
    if (!near_is_gathering(object)) {
      object->near.depth -= object->near.depth > 0;
      unlock(object, header);
      return HF_OK;
    }
    if (gather(object, header, &status) == NEAR_FAILED) {
      return status;
    }
  }
  return hf_lock_release((hf_lock *)object);
}

/* ---------------------------------------------------------------- changes */

/* One look. out changes: what to sleep on if it is as it was. */
static enum near_way look(hf_object *object, const hf_value *known, int64_t *timeout_ms,
                          uint32_t *changes, bool *has_changed, hf_value *value,
                          hf_status *status) {
  hf_value found;
  enum near_way way = near_enter(object, timeout_ms, NULL, status);
  if (way != NEAR_IN) {
    return way;
  }
  struct cell_header *header = header_of(object);
  *changes = atomic_load(&header->changes); /* first: who takes the flag away counts after that */
  atomic_fetch_or(&header->flags, CELL_LOCAL_WAITS);
  uint64_t bits = cell_read(object->near.type, object->near.elements, 0);
  near_leave(object);
  hf_reason reason = near_output(object, bits, &found);
  if (reason != HF_REASON_NONE) {
    return fail(reason, status);
  }
  *has_changed = !hf_value_equal(found, *known);
  if (*has_changed) {
    *value = found;
  } else {
    hf_value_clear(&found);
  }
  return NEAR_IN;
}

static void sleep_on(struct cell_header *header, uint32_t changes, uint64_t until_ns) {
  struct timespec until = timespec_of(until_ns);
  syscall(SYS_futex, &header->changes, FUTEX_WAIT_BITSET, changes, &until, NULL,
          FUTEX_BITSET_MATCH_ANY); /* an absolute time of CLOCK_MONOTONIC */
}

enum near_way near_wait(hf_object *object, const hf_value *known, int64_t *timeout_ms,
                        hf_value *value, hf_status *status) {
  struct local_wait wait = wait_begin(object->conn, *timeout_ms);
  uint32_t changes;
  uint64_t until_ns;
  bool has_changed = false;
  if (*timeout_ms < 0 && *timeout_ms != HF_FOREVER) {
    return NEAR_REQUEST; /* which says so */
  }
  for (;;) {
    *timeout_ms = wait_left_ms(&wait);
    enum near_way way = look(object, known, timeout_ms, &changes, &has_changed, value, status);
    if (way != NEAR_IN || has_changed) {
      return way;
    }
    hf_reason reason = wait_slice(&wait, &until_ns);
    if (reason != HF_REASON_NONE) {
      return fail(reason == HF_REASON_TIMED_OUT ? HF_REASON_NOT_CHANGED : reason, status);
    }
    sleep_on(header_of(object), changes, until_ns);
  }
}
