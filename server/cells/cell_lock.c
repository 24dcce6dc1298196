#include "server/cells/cell_lock.h"

/* The only call of a pthread function on the mutex by the server. */
bool cell_lock_init(struct cell_header *header) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  bool done = pthread_mutex_init(&header->mutex, &attributes) == 0;
  pthread_mutexattr_destroy(&attributes);
  return done;
}

static uint32_t owner_of(const struct cell_header *header) {
  return atomic_load(&header->word) & CELL_WORD_THREAD;
}

bool cell_lock_is_owned(const struct cell_header *header) {
  return owner_of(header) != 0;
}

/* After this store every local thread that locks the mutex sees `remote` and unlocks it again. */
void cell_lock_request(struct cell_header *header) {
  atomic_store(&header->remote, 1);
}

/* Robust-mutex recovery: sets CELL_DIED if the word says that an owner died. Whether the mutex is free.
 *
 * The word and the flags can't be read at once, and a local thread may be recovering the mutex. So
 * CELL_NOTIFIED is set first: after this store that thread leaves CELL_DIED alone. If the thread has
 * cleared CELL_NOTIFIED it saw a death, of which the server has to notify the next owner. */
static bool recover_death(struct cell_header *header) {
  bool is_known = atomic_fetch_or(&header->flags, CELL_NOTIFIED) & CELL_NOTIFIED;
  uint32_t word = atomic_load(&header->word);
  bool is_free = !(word & CELL_WORD_THREAD);
  bool says_so = is_free && (word & CELL_WORD_DIED);
  if (!is_known &&
      (says_so || !(atomic_fetch_and(&header->flags, ~(uint32_t)CELL_NOTIFIED) & CELL_NOTIFIED))) {
    atomic_fetch_or(&header->flags, CELL_DIED);
  }
  return is_free;
}

bool cell_lock_acquire_for_server(struct cell_header *header) {
  return !cell_lock_is_owned(header) && recover_death(header);
}

void cell_lock_return(struct cell_header *header, bool owner_died) {
  if (owner_died) {
    atomic_fetch_or(&header->flags, CELL_DIED);
  }
  atomic_store(&header->remote, 0);
}

bool cell_lock_take_death(struct cell_header *header) {
  (void)recover_death(header);
  return atomic_fetch_and(&header->flags, ~(uint32_t)CELL_DIED) & CELL_DIED;
}

bool cell_lock_is_owned_by(const struct cell_header *header, const struct cell_kernel *kernel,
                           uint64_t process) {
  uint32_t owner = owner_of(header);
  return owner != 0 && kernel->has_thread(kernel->ctx, process, owner);
}

static bool is_owned_by_one_of(uint32_t owner, const struct cell_kernel *kernel,
                               struct cell_owners *owners) {
  uint64_t process;
  while (owners->next(owners, &process)) {
    if (kernel->has_thread(kernel->ctx, process, owner)) {
      return true;
    }
  }
  return false;
}

/* If no client's process has a thread of that id, a client overwrote the word, and no thread will
 * unlock the mutex. So the owner counts as dead, and the word is set as the kernel would after a
 * death. Never take a mutex from a live thread, even if its session has ended: the mutex is linked
 * into that thread's robust list, and a new owner would follow its pointers. */
bool cell_lock_validate_owner(struct cell_header *header, const struct cell_kernel *kernel,
                              const struct orphans *orphans, struct cell_owners *owners) {
  uint32_t seen = atomic_load(&header->word), owner = seen & CELL_WORD_THREAD;
  if (owner == 0 || is_owned_by_one_of(owner, kernel, owners)) {
    return false;
  }
  if (!orphans_have_thread(orphans, kernel, owner) &&
      atomic_compare_exchange_strong(&header->word, &seen,
                                     (seen & ~CELL_WORD_THREAD) | CELL_WORD_DIED)) {
    /* The flag may be that of an earlier death. */
    atomic_fetch_and(&header->flags, ~(uint32_t)CELL_NOTIFIED);
    kernel->wake(kernel->ctx, &header->word);
  }
  return true;
}
