#include "server/engine/share.h"

#include <stdlib.h>

/* Before anybody else sees it; the only time that the server calls a function of the mutex. */
static bool init_header(struct cell_header *header, uint64_t object) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  bool done = pthread_mutex_init(&header->mutex, &attributes) == 0;
  pthread_mutexattr_destroy(&attributes);
  atomic_store(&header->owner, (uint32_t)object);
  return done;
}

struct cell_share *cell_share_new(const struct segment_source *source, struct memory *memory,
                                  size_t element_bytes, uint64_t object) {
  struct cell_share *share = source->allocate ? malloc(sizeof *share) : NULL;
  if (!share) {
    return NULL;
  }
  share->source = *source;
  share->memory = memory;
  atomic_init(&share->refs, 1);
  atomic_init(&share->is_retired, false);
  if (!source->allocate(source->ctx, CELL_HEADER_BYTES + element_bytes, &share->place)) {
    free(share);
    return NULL;
  }
  memory_charge(memory, MEMORY_SHARED, share->place.bytes);
  if (!init_header(cell_share_header(share), object)) {
    cell_share_release(share);
    return NULL;
  }
  return share;
}

struct cell_share *cell_share_acquire(struct cell_share *share) {
  atomic_fetch_add_explicit(&share->refs, 1, memory_order_relaxed);
  return share;
}

void cell_share_release(struct cell_share *share) {
  if (share && atomic_fetch_sub_explicit(&share->refs, 1, memory_order_acq_rel) == 1) {
    memory_refund(share->memory, MEMORY_SHARED, share->place.bytes);
    if (atomic_load(&share->is_retired)) {
      share->source.retire(share->source.ctx, &share->place);
    } else {
      share->source.release(share->source.ctx, &share->place);
    }
    free(share);
  }
}

void cell_share_retire(struct cell_share *share) {
  atomic_store(&share->is_retired, true);
  cell_share_release(share);
}
