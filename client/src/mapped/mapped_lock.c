#include "client/src/mapped/mapped_lock.h"

#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/futex.h>

#include "client/src/connection/cancellation.h"
#include "client/src/mapped/mapped_owner.h"
#include "client/src/mapped/sliced_wait.h"
#include "proto/base/clock.h"

static_assert(CELL_WORD_THREAD == FUTEX_TID_MASK && CELL_WORD_DIED == FUTEX_OWNER_DIED,
              "the kernel's");

/* ---------------------------------------------------------------- the lock */

/* Notifies the server, which would otherwise check the cell only after a backoff. */
static void notify_server(hf_object *object) {
  hf_conn *conn = object->conn;
  Holdfast__CellNotify arm = HOLDFAST__CELL_NOTIFY__INIT;
  const struct envelope envelope = {.timeout_ms = -1,
                                    .object = object->id,
                                    .operation = OPERATION(CELL_NOTIFY),
                                    .arm = &arm.base};
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
  cell_lock_barrier();
  if (atomic_load_explicit(&header->remote, memory_order_relaxed) != 0) {
    notify_server(object);
  }
}

void mapped_cell_recover(struct cell_header *header) {
  pthread_mutex_consistent(&header->mutex);
  if (atomic_fetch_and(&header->flags, ~(uint32_t)CELL_NOTIFIED) & CELL_NOTIFIED) {
    return;
  }
  atomic_fetch_or(&header->flags, CELL_DIED);
}

/* After locking: enters, or unlocks if the server requests the lock. */
static inline enum mapped_way stay(hf_object *object, struct cell_header *header) {
  if (mapped_cell_may_stay(object, header)) {
    return MAPPED_IN;
  }
  pthread_mutex_unlock(&header->mutex); /* the request that follows replaces a notification */
  return MAPPED_REQUEST;
}

/* 0 or EOWNERDEAD: the mutex is locked | ETIMEDOUT and *reason | another errno: the mutex is
 * unusable */
static int lock_in_slices(hf_object *object, struct cell_header *header, int64_t *timeout_ms,
                          hf_reason *reason) {
  struct sliced_wait wait = sliced_wait_begin(object->conn, *timeout_ms);
  uint64_t until_ns;
  int error = ETIMEDOUT;
  while (error == ETIMEDOUT && (*reason = sliced_wait_next(&wait, &until_ns)) == HF_REASON_NONE) {
    struct timespec until = timespec_of(until_ns);
    error = pthread_mutex_clocklock(&header->mutex, CLOCK_MONOTONIC, &until);
    if (error == ETIMEDOUT && mapped_cell_is_server_dead(object)) {
      error = ENOENT;
    } else if (error == ETIMEDOUT) {
      notify_server(object); /* the server validates the owner */
    }
  }
  *timeout_ms = sliced_wait_left_ms(&wait);
  return error;
}

static enum mapped_way fail(hf_reason reason, hf_status *status) {
  *status = error_reason(reason);
  return MAPPED_FAILED;
}

/* Continues after pthread_mutex_trylock answered `error`. */
static enum mapped_way lock_slowly(hf_object *object, struct cell_header *header, int error,
                                   int64_t *timeout_ms, hf_status *status) {
  hf_reason reason = HF_REASON_NONE;
  if (error == EBUSY) {
    error = lock_in_slices(object, header, timeout_ms, &reason);
  }
  if (error == EOWNERDEAD) {
    mapped_cell_recover(header);
    error = 0;
  }
  if (error == 0) {
    return stay(object, header);
  }
  if (error == ETIMEDOUT) {
    return fail(reason == HF_REASON_CANCELLED ? reason : HF_REASON_LOCK_HELD, status);
  }
  return MAPPED_REQUEST;
}

static bool take_death(struct cell_header *header) {
  return (atomic_load(&header->flags) & CELL_DIED) != 0 &&
         (atomic_fetch_and(&header->flags, ~(uint32_t)CELL_DIED) & CELL_DIED) != 0;
}

/* The thread has a call mode open, whose requests are ordered after earlier ones: the thread must
 * not own the mutex while they wait for the lock on the server. */
static enum mapped_way give_way(hf_object *object, struct cell_header *header, hf_status *status) {
  if (header == NULL || !mapped_cell_has_lock(object) || !mapped_cell_is_owned_here(header)) {
    return MAPPED_REQUEST;
  }
  *status = mapped_cell_change_over(object, header);
  return *status == HF_OK ? MAPPED_REQUEST : MAPPED_FAILED;
}

/* ---------------------------------------------------------------- in and out */

enum mapped_way mapped_cell_enter(hf_object *object, int64_t *timeout_ms, bool *owner_died,
                                  hf_status *status) {
  struct cell_header *header = mapped_cell_header(object);
  if (mapped_cell_has_call_mode(object)) {
    return give_way(object, header, status);
  }
  if (header == NULL) {
    header = mapped_cell_find(object, status);
    if (*status == HF_UNAVAILABLE) {
      return MAPPED_FAILED; /* a second request would wait for another call timeout */
    }
  }
  if (header == NULL || (*timeout_ms < 0 && *timeout_ms != HF_FOREVER)) {
    return MAPPED_REQUEST;
  }
  if (!mapped_cell_has_lock(object)) {
    return mapped_cell_is_object(object, header) && !mapped_cell_is_server_dead(object)
               ? MAPPED_IN
               : MAPPED_REQUEST;
  }
  int error = pthread_mutex_trylock(&header->mutex);
  enum mapped_way way =
      error == 0 ? stay(object, header) : lock_slowly(object, header, error, timeout_ms, status);
  if (way == MAPPED_IN && owner_died != NULL) {
    *owner_died = take_death(header);
    object->mapped.depth++;
  }
  return way;
}

bool mapped_cell_try_lock(hf_object *object) {
  struct cell_header *header = mapped_cell_header(object);
  if (header == NULL || !mapped_cell_has_lock(object) || mapped_cell_has_call_mode(object)) {
    return false;
  }
  int error = pthread_mutex_trylock(&header->mutex);
  if (error == EOWNERDEAD) {
    mapped_cell_recover(header);
    error = 0;
  }
  if (error != 0) {
    return false;
  }
  if (!mapped_cell_may_stay(object, header) || (atomic_load(&header->flags) & CELL_DIED) != 0) {
    unlock(object, header);
    return false;
  }
  object->mapped.depth++;
  return true;
}

bool mapped_cell_is_owned(hf_object *object) {
  const struct cell_header *header = mapped_cell_header(object);
  return header != NULL && mapped_cell_has_lock(object) && !mapped_cell_has_call_mode(object) &&
         mapped_cell_is_owned_here(header) && mapped_cell_is_object(object, header) &&
         !mapped_cell_is_server_dead(object);
}

void mapped_cell_leave(hf_object *object) {
  if (mapped_cell_has_lock(object)) {
    unlock(object, mapped_cell_header(object));
  }
}

static void wake(struct cell_header *header) {
  atomic_fetch_and(&header->flags, ~(uint32_t)CELL_LOCAL_WAITS);
  atomic_fetch_add(&header->changes, 1);
  syscall(SYS_futex, &header->changes, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void mapped_cell_leave_changed(hf_object *object) {
  struct cell_header *header = mapped_cell_header(object);
  bool is_locked = mapped_cell_has_lock(object);
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
    notify_server(object);
  }
}

void mapped_cell_changed(hf_object *object) {
  struct cell_header *header = mapped_cell_header(object);
  if (header == NULL) {
    return;
  }
  if (!mapped_cell_has_lock(object)) {
    atomic_thread_fence(memory_order_seq_cst);
  }
  uint32_t flags = atomic_load_explicit(&header->flags, memory_order_relaxed);
  if (flags & CELL_LOCAL_WAITS) {
    wake(header);
  }
  if (flags & CELL_SERVER_WAITS) {
    notify_server(object);
  }
}

enum mapped_way mapped_cell_unlock(hf_object *object, hf_status *status) {
  struct cell_header *header = mapped_cell_header(object);
  if (header == NULL || !mapped_cell_has_lock(object) || !mapped_cell_is_owned_here(header)) {
    return MAPPED_REQUEST;
  }
  if (mapped_cell_has_call_mode(object)) {
    return give_way(object, header, status);
  }
  object->mapped.depth -= object->mapped.depth > 0;
  unlock(object, header);
  return MAPPED_IN;
}
