/* Shared memory for the engine under test: plain memory, of which is known what it was before each
 * step, so that whatever the server must not write is found.
 *
 *   header   the mutex: only its first word, from a thread id to "died", and only when no session
 *            that was given the location has a process with threads; remote, flags, changes, owner
 *   elements only when a request that stores was answered, and within their length
 *   after the object was deleted: nothing
 *
 * Sessions are numbers below CELLS_SESSIONS_MAX.
 */
#ifndef HF_TESTS_FUZZ_CELLS_SLOTS_H
#define HF_TESTS_FUZZ_CELLS_SLOTS_H

#include "proto/cell_layout.h"
#include "server/cells/segments.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define CELLS_SLOTS_MAX 64
#define CELLS_SESSIONS_MAX 64
#define CELLS_BYTES_MAX 512 /* a larger cell is refused */
#define CELLS_NOBODY (-1)

struct slot {
  bool is_out;
  bool is_dead;      /* the server has reported that the object is deleted */
  bool is_scribbled; /* the header was overwritten, or the owner of the mutex broke the rules */
  bool may_store;    /* may be stored to in this step */
  bool has_lock;     /* not a raw kind */
  int local;         /* the client whose thread owns the mutex by the rules, or CELLS_NOBODY */
  uint64_t object;   /* 0: no session was given the location yet */
  size_t used;       /* bytes of header and elements */
  size_t bytes;
  uint8_t *memory;
  uint8_t *before;     /* the content before the step; NULL: new in this step */
  uint64_t given;      /* sessions that were given the location, bit by number */
  uint64_t ever_given; /* sessions that may have been given it */
};

struct slots {
  struct slot all[CELLS_SLOTS_MAX]; /* indexed by segment - CELLS_FIRST_SEGMENT; never reused */
  size_t count, out_count;
  uint64_t lost;  /* sessions without a connection, or ended without a goodbye */
  bool is_ending; /* the engine is being freed: everything is released */
  void *ctx;
  /* Whether the server must assume that the session's process has the thread. */
  bool (*has_threads)(void *ctx, int session);
};

#define CELLS_FIRST_SEGMENT 2

static inline void require(bool holds) {
  if (!holds) {
    abort();
  }
}

struct segment_source slots_source(struct slots *slots);
/* A futex was woken; ctx: struct slots. */
void slots_wake(void *ctx, void *word);
/* NULL: no cell was ever in that segment. */
struct slot *slots_find(struct slots *slots, uint64_t segment);
/* The slot of the object; NULL: none. */
struct slot *slots_of(struct slots *slots, uint64_t object);
/* The idx-th slot in use, modulo their count; NULL: none. */
struct slot *slots_pick(struct slots *slots, size_t idx);
/* A client writes to the slot. */
void slot_write(struct slot *slot, size_t offset, const void *bytes, size_t len);
struct cell_header *slot_header(const struct slot *slot);
/* The session may no longer access any cell, or one object's. */
void slots_forget(struct slots *slots, int session, uint64_t object);
#define CELLS_ALL_OBJECTS 0
/* To be called after each step. */
void slots_check(struct slots *slots);

#endif
