/* Calls on cells that somebody is killed in, and what they find and leave.
 *
 * Each is made in a scene: a party's handles on the same objects. To add a call: its function and
 * its row in cell_calls.c.
 */
#ifndef HF_TESTS_FAULT_CELL_CALLS_H
#define HF_TESTS_FAULT_CELL_CALLS_H

#include "tests/fault/cell_parties.h"

#define CALLS_LOCK_WAIT_MS 10000
#define CALLS_COUNT PARTY_ELEMENTS_MAX /* of the array's elements */
#define CALLS_CHANGED 3                /* the one that calls on one element change */
#define CALLS_TEXT_BYTES 200           /* of the text that goes into the dict */

/* What one party has open, and what it is to make of the elements. */
struct scene {
  hf_conn *conn;
  hf_array *array;
  hf_cell *value, *watched, *raw;
  hf_dict *dict;
  int64_t old, new;
};

struct scene scene_open(const struct daemon *server, enum party party);
void scene_close(struct scene *scene);

enum place { ARRAY, VALUE, WATCHED_VALUE, RAW, DICT };
/* ALL: from the first on; ONE: CALLS_CHANGED. Before: the call finds it so. */
enum change { NOTHING, BEFORE, ONE, ALL };
/* Beside the two: NOTIFIED, of a death before; GRANTED, somebody beyond the network has the lock;
 * AWAITED, wants it; WATCHED, two wait for a change. */
enum situation { ALONE, NOTIFIED, GRANTED, AWAITED, WATCHED };

struct call {
  const char *name;
  void (*prepare)(struct scene *scene); /* NULL: nothing; not stepped through */
  void (*run)(struct scene *scene);
  enum place place;
  enum change change;
  enum situation situation;
};

extern const struct call cell_calls[];
extern const size_t cell_calls_count;

/* Makes all of them, so that whatever is looked up once has been. */
void cell_calls_warm_up(struct scene *scene);

/* ---- what they leave; these abort when a call fails */

size_t place_count(enum place place);
/* Of a place in shared memory. */
struct cell_header *place_header(const struct scene *scene, enum place place);
int64_t place_get(const struct scene *scene, enum place place, int64_t idx);
void place_set(const struct scene *scene, enum place place, int64_t idx, int64_t number);
/* Whether the one who gets the lock is told of a death. */
bool place_lock(const struct scene *scene, enum place place);
void place_unlock(const struct scene *scene, enum place place);

#endif
