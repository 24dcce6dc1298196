/* Closing the handle of a cell whose lock a thread may own. */
#include "client/src/mapped/mapped_close.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/futex.h>

#include "client/src/mapped/mapped_owner.h"
#include "client/src/mapped/segments.h"

/* Whether the calling thread's list of robust mutexes has the mutex. The list has the address of
 * the first lock, which may be in another connection's mapping of the cell. */
static bool is_listed_here(const struct cell_header *header) {
  struct robust_list_head *head;
  size_t len;
  if (syscall(SYS_get_robust_list, 0, &head, &len) != 0) {
    return true; /* unknown */
  }
  const struct robust_list *item = &head->list;
  for (unsigned i = 0; i < ROBUST_LIST_LIMIT; i++) {
    /* Bit 0 marks a PI futex. */
    item = (const struct robust_list *)((uintptr_t)item->next & ~(uintptr_t)1);
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
  while (other != NULL &&
         (other == object || other->id != object->id || other->mapped.depth == 0)) {
    other = other->next;
  }
  conn_unlock(object->conn);
  return other != NULL;
}

/* The C library may write to the mutex when the thread that owns it locks or unlocks others: the
 * cell stays mapped, and the reference stays the session's. */
static void leave_behind(hf_object *object) {
  segments_pin(object->conn, object->mapped.map);
  object->mapped.map = NULL;
  object->mapped.is_left_behind = true;
}

static void let_go_of_lock(hf_object *object, struct cell_header *header) {
  if (mapped_cell_is_server_dead(object) || mapped_cell_change_over(object, header) != HF_OK) {
    while (pthread_mutex_unlock(&header->mutex) == 0) {
    }
  }
}

void mapped_cell_close(hf_object *object) {
  struct cell_header *header = mapped_cell_header(object);
  bool has_locked = object->mapped.depth > 0;
  if (header == NULL || !mapped_cell_has_lock(object)) {
    return;
  }
  if (!mapped_cell_is_owned_here(header)) {
    if (has_locked && mapped_cell_is_owned_by_another_thread(header)) {
      leave_behind(object);
    }
  } else if (has_locked) {
    let_go_of_lock(object, header);
  } else if (is_listed_here(header) && !is_locked_by_another_handle(object)) {
    leave_behind(object);
  }
}
