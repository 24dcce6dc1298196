/* A thread that unmaps and closes segments nobody uses any more: giving a quarter of a gigabyte
 * back takes tens of milliseconds, and whoever released it may be holding everybody up.
 *
 * layer   cells, internal
 * threads closer_bury and closer_left from any; start and stop from one
 */
#ifndef HF_CELLS_CLOSER_H
#define HF_CELLS_CLOSER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* A memfd and where it is mapped; whatever has one begins with it, and comes from malloc. */
struct mapping {
  struct mapping *next_buried;
  char *address;
  size_t bytes;
  int fd;
};

/* What is not given back yet. */
struct burden {
  size_t count, bytes;
};

struct closer {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  pthread_t thread;
  struct mapping *buried;
  struct burden left; /* those, and the one that is being closed */
  bool stopping;
};

/* false: no thread could be started. */
bool closer_start(struct closer *closer);
/* Closes what is left. */
void closer_stop(struct closer *closer);
/* Taken, and freed when it is closed. Quick. */
void closer_bury(struct closer *closer, struct mapping *mapping);

struct burden closer_left(struct closer *closer);

/* On this thread. */
void mapping_close(struct mapping *mapping);

#endif
