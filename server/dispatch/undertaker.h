/* A thread that frees large deleted containers, and gives free memory back to the machine, so that
 * nobody else waits for either.
 *
 * layer   dispatch
 * threads undertaker_bury from any; undertaker_note_used one at a time
 */
#ifndef HF_DISPATCH_UNDERTAKER_H
#define HF_DISPATCH_UNDERTAKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct object;

struct undertaker {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  pthread_t thread;
  struct object *buried; /* what engine_take_buried answered */
  bool stopping;
  bool trim_wanted;
  size_t untrimmed_bytes;    /* freed since memory was given back */
  uint64_t trim_ns;          /* not before that */
  atomic_size_t freed_bytes; /* not yet told by undertaker_take_freed */
  size_t used_max; /* since memory was given back, of what undertaker_note_used was told */
};

/* false: no thread could be started. */
bool undertaker_start(struct undertaker *undertaker);
/* Frees what is left. */
void undertaker_stop(struct undertaker *undertaker);
/* Taken; NULL is harmless. */
void undertaker_bury(struct undertaker *undertaker, struct object *buried);
/* Bytes that were freed since the last call. */
size_t undertaker_take_freed(struct undertaker *undertaker);
/* So many bytes are in use: when that is much less than it was, memory is given back. */
void undertaker_note_used(struct undertaker *undertaker, size_t used_bytes);

#endif
