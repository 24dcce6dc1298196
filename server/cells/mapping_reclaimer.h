/* Deferred reclamation of segments: a thread that unmaps and closes those that are no longer used.
 * Unmapping a quarter of a gigabyte takes tens of milliseconds, which the engine's lock can't wait for.
 *
 * layer   cells, internal
 * threads mapping_reclaimer_add and mapping_reclaimer_left from any; start and stop from one
 */
#ifndef HF_CELLS_MAPPING_RECLAIMER_H
#define HF_CELLS_MAPPING_RECLAIMER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* A memfd and its mapping; the first member of a struct from malloc. */
struct mapping {
  struct mapping *next;
  char *address;
  size_t bytes;
  int fd;
};

/* Mappings that are not unmapped yet. */
struct unreclaimed {
  size_t count, bytes;
};

struct mapping_reclaimer {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  pthread_t thread;
  struct mapping *mappings;
  struct unreclaimed left; /* those in the list, and the one that is being closed */
  bool stopping;
};

/* false: no thread could be started. */
bool mapping_reclaimer_start(struct mapping_reclaimer *reclaimer);
/* Closes all mappings that were added. */
void mapping_reclaimer_stop(struct mapping_reclaimer *reclaimer);
/* Takes the mapping; its struct is freed after it is closed. Quick. */
void mapping_reclaimer_add(struct mapping_reclaimer *reclaimer, struct mapping *mapping);

struct unreclaimed mapping_reclaimer_left(struct mapping_reclaimer *reclaimer);

/* Closes and frees the mapping on the calling thread. */
void mapping_close(struct mapping *mapping);

#endif
