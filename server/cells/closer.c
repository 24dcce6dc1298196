#include "server/cells/closer.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Unmapping keeps other threads from mapping, so it is done in pieces of under a millisecond. */
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
  struct closer *closer = arg;
  pthread_mutex_lock(&closer->mutex);
  while (closer->buried || !closer->stopping) {
    struct mapping *mapping = closer->buried;
    if (!mapping) {
      pthread_cond_wait(&closer->changed, &closer->mutex);
      continue;
    }
    size_t bytes = mapping->bytes;
    closer->buried = mapping->next_buried;
    pthread_mutex_unlock(&closer->mutex);
    mapping_close(mapping);
    pthread_mutex_lock(&closer->mutex);
    closer->left.count--;
    closer->left.bytes -= bytes;
  }
  pthread_mutex_unlock(&closer->mutex);
  return NULL;
}

bool closer_start(struct closer *closer) {
  *closer = (struct closer){.buried = NULL};
  pthread_mutex_init(&closer->mutex, NULL);
  pthread_cond_init(&closer->changed, NULL);
  if (pthread_create(&closer->thread, NULL, run, closer) == 0) {
    return true;
  }
  pthread_cond_destroy(&closer->changed);
  pthread_mutex_destroy(&closer->mutex);
  return false;
}

void closer_stop(struct closer *closer) {
  pthread_mutex_lock(&closer->mutex);
  closer->stopping = true;
  pthread_cond_signal(&closer->changed);
  pthread_mutex_unlock(&closer->mutex);
  pthread_join(closer->thread, NULL);
  pthread_cond_destroy(&closer->changed);
  pthread_mutex_destroy(&closer->mutex);
}

void closer_bury(struct closer *closer, struct mapping *mapping) {
  pthread_mutex_lock(&closer->mutex);
  mapping->next_buried = closer->buried;
  closer->buried = mapping;
  closer->left.count++;
  closer->left.bytes += mapping->bytes;
  pthread_cond_signal(&closer->changed);
  pthread_mutex_unlock(&closer->mutex);
}

struct burden closer_left(struct closer *closer) {
  pthread_mutex_lock(&closer->mutex);
  struct burden left = closer->left;
  pthread_mutex_unlock(&closer->mutex);
  return left;
}
