#include "server/cells/mapping_reclaimer.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* munmap blocks other threads' mmap, so a mapping is unmapped in pieces of under a millisecond. */
#define PIECE_BYTES ((size_t)4 << 20)

void mapping_close(struct mapping *mapping) {
  for (size_t done = 0; done < mapping->bytes; done += PIECE_BYTES) {
    size_t left = mapping->bytes - done;
    munmap(mapping->address + done, left < PIECE_BYTES ? left : PIECE_BYTES);
  }
  close(mapping->fd);
  free(mapping);
}

static void *run(void *arg) {
  struct mapping_reclaimer *reclaimer = arg;
  pthread_mutex_lock(&reclaimer->mutex);
  while (reclaimer->mappings || !reclaimer->stopping) {
    struct mapping *mapping = reclaimer->mappings;
    if (!mapping) {
      pthread_cond_wait(&reclaimer->changed, &reclaimer->mutex);
      continue;
    }
    size_t bytes = mapping->bytes;
    reclaimer->mappings = mapping->next;
    pthread_mutex_unlock(&reclaimer->mutex);
    mapping_close(mapping);
    pthread_mutex_lock(&reclaimer->mutex);
    reclaimer->left.count--;
    reclaimer->left.bytes -= bytes;
  }
  pthread_mutex_unlock(&reclaimer->mutex);
  return NULL;
}

bool mapping_reclaimer_start(struct mapping_reclaimer *reclaimer) {
  *reclaimer = (struct mapping_reclaimer){.mappings = NULL};
  pthread_mutex_init(&reclaimer->mutex, NULL);
  pthread_cond_init(&reclaimer->changed, NULL);
  if (pthread_create(&reclaimer->thread, NULL, run, reclaimer) == 0) {
    return true;
  }
  pthread_cond_destroy(&reclaimer->changed);
  pthread_mutex_destroy(&reclaimer->mutex);
  return false;
}

void mapping_reclaimer_stop(struct mapping_reclaimer *reclaimer) {
  pthread_mutex_lock(&reclaimer->mutex);
  reclaimer->stopping = true;
  pthread_cond_signal(&reclaimer->changed);
  pthread_mutex_unlock(&reclaimer->mutex);
  pthread_join(reclaimer->thread, NULL);
  pthread_cond_destroy(&reclaimer->changed);
  pthread_mutex_destroy(&reclaimer->mutex);
}

void mapping_reclaimer_add(struct mapping_reclaimer *reclaimer, struct mapping *mapping) {
  pthread_mutex_lock(&reclaimer->mutex);
  mapping->next = reclaimer->mappings;
  reclaimer->mappings = mapping;
  reclaimer->left.count++;
  reclaimer->left.bytes += mapping->bytes;
  pthread_cond_signal(&reclaimer->changed);
  pthread_mutex_unlock(&reclaimer->mutex);
}

struct unreclaimed mapping_reclaimer_left(struct mapping_reclaimer *reclaimer) {
  pthread_mutex_lock(&reclaimer->mutex);
  struct unreclaimed left = reclaimer->left;
  pthread_mutex_unlock(&reclaimer->mutex);
  return left;
}
