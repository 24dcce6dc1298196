#include "client/src/mapped/mapped_owner.h"

#include <signal.h>
#include <unistd.h>

#include "client/src/call/plain.h"
#include "client/src/call/results.h"
#include "client/src/connection/generation.h"

static _Thread_local struct own { uint32_t thread, generation; } own;

static __attribute__((noinline)) uint32_t find_thread(struct own *found) {
  *found = (struct own){(uint32_t)gettid(), fork_generation()};
  return found->thread;
}

static inline uint32_t own_thread(void) {
  struct own *known = &own;
  uint32_t thread = known->thread;
  return thread != 0 && known->generation == fork_generation() ? thread : find_thread(known);
}

bool mapped_cell_is_owned_here(const struct cell_header *header) {
  return (atomic_load(&header->word) & CELL_WORD_THREAD) == own_thread();
}

hf_status mapped_cell_change_over(hf_object *object, struct cell_header *header) {
  struct request request;
  Holdfast__LockAcquire arm = HOLDFAST__LOCK_ACQUIRE__INIT;
  arm.levels = header->mutex.__data.__count;
  request_of(&request, object, OPERATION(LOCK_ACQUIRE));
  request_ask(&request, result_grant, NULL, NULL);
  request_wait(&request, 0);
  hf_status status = call_now(&request, &arm.base);
  if (status == HF_OK) {
    object->mapped.depth = 0; /* while this thread owns the mutex */
    for (uint32_t level = 0; level < arm.levels; level++) {
      pthread_mutex_unlock(&header->mutex);
    }
  }
  return status;
}

bool mapped_cell_is_owned_by_another_thread(const struct cell_header *header) {
  uint32_t thread = atomic_load(&header->word) & CELL_WORD_THREAD;
  return thread != 0 && thread != own_thread() && tgkill(getpid(), (pid_t)thread, 0) == 0;
}
