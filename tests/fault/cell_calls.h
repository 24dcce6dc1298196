/* Calls on cells in which a process is killed, with the state before and after.
 *
 * Each is made in a scene: a party's handles on the same objects. To add a call: its function and
 * its row in cell_calls.c.
 */
#ifndef HF_TESTS_FAULT_CELL_CALLS_H
#define HF_TESTS_FAULT_CELL_CALLS_H

#include "tests/fault/cell_parties.h"

#define CALLS_LOCK_WAIT_MS 10000
#define CALLS_COUNT PARTY_ELEMENTS_MAX /* of the array's elements */
#define CALLS_CHANGED 3                /* the element that calls on one element change */
#define CALLS_TEXT_BYTES 200           /* of the text stored in the dict */

/* The handles of one party, and the values it stores. */
struct scene {
  hf_conn *conn;
  hf_array *array;
  hf_cell *value, *watched, *raw;
  hf_dict *dict;
  int64_t old, new;
};

struct scene scene_open(const struct daemon *server, enum party party);
void scene_close(struct scene *scene);

enum target { ARRAY, VALUE, WATCHED_VALUE, RAW, DICT };
/* ALL: all elements; ONE: element CALLS_CHANGED; BEFORE: unchanged by the call. */
enum change { NOTHING, BEFORE, ONE, ALL };
/* The state of the lock before. OWNER_DIED: an owner died and the server knows; GRANTED: a remote
 * party owns the lock; AWAITED: a remote party waits; WATCHED: two parties wait for a change. */
enum situation { ALONE, OWNER_DIED, GRANTED, AWAITED, WATCHED };

struct call {
  const char *name;
  /* Brings about the state before, not stepped through; NULL: nothing. */
  void (*prepare)(struct scene *scene);
  void (*run)(struct scene *scene);
  enum target target;
  enum change change;
  enum situation situation;
};

extern const struct call cell_calls[];
extern const size_t cell_calls_count;

/* Makes all calls once, so that lazy initialization is done. */
void cell_calls_warm_up(struct scene *scene);

/* ---- what they leave; these abort when a call fails */

size_t target_count(enum target target);
/* The header of a cell in shared memory. */
struct cell_header *target_header(const struct scene *scene, enum target target);
int64_t target_get(const struct scene *scene, enum target target, int64_t idx);
void target_set(const struct scene *scene, enum target target, int64_t idx, int64_t number);
/* Locks the cell; whether a death was reported. */
bool target_lock(const struct scene *scene, enum target target);
void target_unlock(const struct scene *scene, enum target target);

#endif
