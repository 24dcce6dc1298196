#include "tests/fault/cell_calls.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cell_layout.h"

struct scene scene_open(const struct daemon *server, enum party party) {
  struct scene scene = {.conn = party_connect(server, party)};
  scene.array = party_open(scene.conn, party, "array", CALLS_COUNT);
  party_check(hf_cell_open(scene.conn, "value", 'q', hf_int(0), &scene.value), "open");
  party_check(hf_cell_open(scene.conn, "watched", 'q', hf_int(0), &scene.watched), "open");
  party_check(hf_raw_cell_open(scene.conn, "raw", 'q', hf_int(0), &scene.raw), "open");
  party_check(hf_dict_open(scene.conn, "dict", &scene.dict), "open");
  return scene;
}

void scene_close(struct scene *scene) {
  hf_array_close(scene->array);
  hf_cell_close(scene->value);
  hf_cell_close(scene->watched);
  hf_cell_close(scene->raw);
  hf_dict_close(scene->dict);
  hf_close(scene->conn);
}

/* ---- calls */

static void lock(struct scene *scene) {
  party_check(hf_array_lock(scene->array, CALLS_LOCK_WAIT_MS), "lock");
}

/* In vain. */
static void try_lock(struct scene *scene) {
  if (hf_array_lock(scene->array, 0) != HF_DEADLINE_EXCEEDED) {
    abort();
  }
}

static void unlock(struct scene *scene) {
  party_check(hf_array_unlock(scene->array), "unlock");
}

static void *lock_and_die(void *scene) {
  lock(scene);
  return NULL;
}

/* A thread is as dead as a process. */
static void leave_locked(struct scene *scene) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, lock_and_die, scene) != 0) {
    abort();
  }
  pthread_join(thread, NULL);
}

static void lock_and_store(struct scene *scene) {
  lock(scene);
  volatile int64_t *elements = hf_array_data(scene->array);
  for (int i = 0; i < CALLS_COUNT; i++) {
    elements[i] = scene->new;
  }
}

static void set_element(struct scene *scene) {
  party_check(hf_array_set(scene->array, CALLS_CHANGED, hf_int(scene->new)), "set");
}

static void set_slice(struct scene *scene) {
  hf_value values[CALLS_COUNT];
  for (int i = 0; i < CALLS_COUNT; i++) {
    values[i] = hf_int(scene->new);
  }
  party_check(
      hf_array_set_slice(scene->array, (struct hf_slice){0, CALLS_COUNT, 1}, values, CALLS_COUNT),
      "set slice");
}

static void add(struct scene *scene) {
  int64_t sum;
  party_check(hf_cell_add_int(scene->value, scene->new - scene->old, &sum), "add");
}

static void compare_and_set(struct scene *scene) {
  bool swapped;
  party_check(
      hf_cell_compare_and_set(scene->value, hf_int(scene->old), hf_int(scene->new), &swapped, NULL),
      "compare and set");
}

static void set_watched(struct scene *scene) {
  party_check(hf_cell_set(scene->watched, hf_int(scene->new)), "set");
}

static void add_raw(struct scene *scene) {
  party_check(hf_cell_add(scene->raw, hf_int(scene->new - scene->old), NULL), "add");
}

static void set_in_dict(struct scene *scene) {
  char text[CALLS_TEXT_BYTES + 1];
  memset(text, 'a' + (int)(scene->new % 26), CALLS_TEXT_BYTES);
  text[CALLS_TEXT_BYTES] = 0;
  party_check(hf_dict_set(scene->dict, hf_int(scene->new), hf_text(text)), "dict set");
}

const struct call cell_calls[] = {
    {"lock", NULL, lock, ARRAY, NOTHING, ALONE},
    {"lock after a death", leave_locked, lock, ARRAY, NOTHING, OWNER_DIED},
    {"lock, granted elsewhere", NULL, try_lock, ARRAY, NOTHING, GRANTED},
    {"unlock", lock_and_store, unlock, ARRAY, BEFORE, ALONE},
    {"unlock, awaited", lock_and_store, unlock, ARRAY, BEFORE, AWAITED},
    {"set an element", NULL, set_element, ARRAY, ONE, ALONE},
    {"set a slice", NULL, set_slice, ARRAY, ALL, ALONE},
    {"add", NULL, add, VALUE, ONE, ALONE},
    {"set after a death", leave_locked, set_element, ARRAY, ONE, OWNER_DIED},
    {"compare and set", NULL, compare_and_set, VALUE, ONE, ALONE},
    {"set, watched", NULL, set_watched, WATCHED_VALUE, ONE, WATCHED},
    {"add to a raw one", NULL, add_raw, RAW, ONE, ALONE},
    {"dict set in the rings", NULL, set_in_dict, DICT, ONE, ALONE},
};
const size_t cell_calls_count = sizeof cell_calls / sizeof *cell_calls;

void cell_calls_warm_up(struct scene *scene) {
  for (size_t i = 0; i < cell_calls_count; i++) {
    const struct call *call = &cell_calls[i];
    scene->old = scene->new = target_get(scene, RAW, 0);
    if (call->run == unlock) {
      lock(scene);
    }
    if (call->situation != GRANTED) {
      call->run(scene);
    }
    if (call->run == lock) {
      unlock(scene);
    }
  }
}

/* ---- what they leave */

size_t target_count(enum target target) {
  return target == ARRAY ? CALLS_COUNT : 1;
}

static hf_cell *cell_of(const struct scene *scene, enum target target) {
  return target == VALUE ? scene->value : target == WATCHED_VALUE ? scene->watched : scene->raw;
}

struct cell_header *target_header(const struct scene *scene, enum target target) {
  return cell_header_of(target == ARRAY ? hf_array_data(scene->array)
                                        : hf_cell_data(cell_of(scene, target)));
}

int64_t target_get(const struct scene *scene, enum target target, int64_t idx) {
  hf_value value = hf_none();
  party_check(target == ARRAY ? hf_array_get(scene->array, idx, &value)
                              : hf_cell_get(cell_of(scene, target), &value),
              "get");
  return value.integer;
}

void target_set(const struct scene *scene, enum target target, int64_t idx, int64_t number) {
  party_check(target == ARRAY ? hf_array_set(scene->array, idx, hf_int(number))
                              : hf_cell_set(cell_of(scene, target), hf_int(number)),
              "set");
}

bool target_lock(const struct scene *scene, enum target target) {
  struct hf_grant grant = {0};
  party_check(target == ARRAY
                  ? hf_array_lock_with(scene->array, CALLS_LOCK_WAIT_MS, &grant)
                  : hf_cell_lock_with(cell_of(scene, target), CALLS_LOCK_WAIT_MS, &grant),
              "lock");
  return grant.owner_died;
}

void target_unlock(const struct scene *scene, enum target target) {
  party_check(
      target == ARRAY ? hf_array_unlock(scene->array) : hf_cell_unlock(cell_of(scene, target)),
      "unlock");
}
