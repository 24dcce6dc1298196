/* Who is killed between two instructions, any two, of a call on shared memory.
 *
 * A process is led through a call step by step (stepper.h) and killed after 0, 1, 2 ... steps, each
 * time a new one, until the call's end is reached. After each kill: the next gets the lock at once,
 * on this machine or over the network by turns; it is told of the death when the dead one had the
 * mutex, and nobody is told twice; each element is the old one or the new one; those who wait for
 * the lock or for a change are woken. A request into the rings has happened wholly, or not at all,
 * and the server answers others.
 *
 * Stepping to the N-th instruction costs N steps, so all of a call of T instructions costs half of
 * T * T. Where that is too much, only every n-th is tried, from another beginning with each seed.
 *
 * usage: cell_steps [SEED [STEPS [CALL]]]     steps per call at most, 0: after each instruction;
 *                                             a part of the names of calls
 */
#define _GNU_SOURCE /* for processor sets */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/cell_layout.h"
#include "tests/fault/cell_parties.h"
#include "tests/fault/stepper.h"
#include "tests/support/random.h"

#define SKIPPED 77
#define LOCK_WAIT_MS 10000
#define WAKE_MS 5000
#define APART_MS 5
#define LATE_NS 1000000
#define COUNT PARTY_ELEMENTS_MAX
#define CHANGED 3 /* the element that calls on one element change */
#define TEXT_BYTES 200

static struct daemon server;
static struct random randomness;
static size_t steps_max = 250000;
static const char *only; /* calls with this in their name */

/* What one party has open. */
struct scene {
  hf_conn *conn;
  hf_array *array;
  hf_cell *value, *watched, *raw;
  hf_dict *dict;
};
static struct scene scenes[2];

/* What the elements were, what the call makes them. */
static int64_t old, new;

static struct scene open_scene(enum party party) {
  struct scene scene = {.conn = party_connect(&server, party)};
  scene.array = party_open(scene.conn, party, "array", COUNT);
  party_check(hf_value_open(scene.conn, "value", 'q', hf_int(0), &scene.value), "open");
  party_check(hf_value_open(scene.conn, "watched", 'q', hf_int(0), &scene.watched), "open");
  party_check(hf_raw_value_open(scene.conn, "raw", 'q', hf_int(0), &scene.raw), "open");
  party_check(hf_dict_open(scene.conn, "dict", &scene.dict), "open");
  return scene;
}

static void close_scene(struct scene *scene) {
  hf_array_close(scene->array);
  hf_cell_close(scene->value);
  hf_cell_close(scene->watched);
  hf_cell_close(scene->raw);
  hf_dict_close(scene->dict);
  hf_close(scene->conn);
}

/* ---- calls: run in the victim */

static void lock(struct scene *scene) {
  party_check(hf_array_lock(scene->array, LOCK_WAIT_MS), "lock");
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
  for (int i = 0; i < COUNT; i++) {
    elements[i] = new;
  }
}

static void set_element(struct scene *scene) {
  party_check(hf_array_set(scene->array, CHANGED, hf_int(new)), "set");
}

static void set_slice(struct scene *scene) {
  hf_value values[COUNT];
  for (int i = 0; i < COUNT; i++) {
    values[i] = hf_int(new);
  }
  party_check(hf_array_set_slice(scene->array, (struct hf_slice){0, COUNT, 1}, values, COUNT),
              "set slice");
}

static void add(struct scene *scene) {
  int64_t sum;
  party_check(hf_cell_add_int(scene->value, new - old, &sum), "add");
}

static void compare_and_set(struct scene *scene) {
  bool swapped;
  party_check(hf_cell_compare_and_set(scene->value, hf_int(old), hf_int(new), &swapped, NULL),
              "compare and set");
}

static void set_watched(struct scene *scene) {
  party_check(hf_cell_set(scene->watched, hf_int(new)), "set");
}

static void add_raw(struct scene *scene) {
  party_check(hf_cell_add(scene->raw, hf_int(new - old), NULL), "add");
}

static void set_in_dict(struct scene *scene) {
  char text[TEXT_BYTES + 1];
  memset(text, 'a' + (int)(new % 26), TEXT_BYTES);
  text[TEXT_BYTES] = 0;
  party_check(hf_dict_set(scene->dict, hf_int(new), hf_text(text)), "dict set");
}

/* ---- the table */

enum place { ARRAY, VALUE, WATCHED_VALUE, RAW, DICT };
/* ALL: from the first on; ONE: CHANGED. Before: the call finds it so. */
enum change { NOTHING, BEFORE, ONE, ALL };
/* Beside the two: TOLD, of a death before; GRANTED, somebody beyond the network has the lock;
 * AWAITED, wants it; WATCHED, two wait for a change. */
enum situation { ALONE, TOLD, GRANTED, AWAITED, WATCHED };

struct call {
  const char *name;
  void (*prepare)(struct scene *scene); /* NULL: nothing; not stepped through */
  void (*run)(struct scene *scene);
  enum place place;
  enum change change;
  enum situation situation;
};

static const struct call calls[] = {
    {"lock", NULL, lock, ARRAY, NOTHING, ALONE},
    {"lock after a death", leave_locked, lock, ARRAY, NOTHING, TOLD},
    {"lock, granted elsewhere", NULL, try_lock, ARRAY, NOTHING, GRANTED},
    {"unlock", lock_and_store, unlock, ARRAY, BEFORE, ALONE},
    {"unlock, awaited", lock_and_store, unlock, ARRAY, BEFORE, AWAITED},
    {"set an element", NULL, set_element, ARRAY, ONE, ALONE},
    {"set a slice", NULL, set_slice, ARRAY, ALL, ALONE},
    {"add", NULL, add, VALUE, ONE, ALONE},
    {"set after a death", leave_locked, set_element, ARRAY, ONE, TOLD},
    {"compare and set", NULL, compare_and_set, VALUE, ONE, ALONE},
    {"set, watched", NULL, set_watched, WATCHED_VALUE, ONE, WATCHED},
    {"add to a raw one", NULL, add_raw, RAW, ONE, ALONE},
    {"dict set in the rings", NULL, set_in_dict, DICT, ONE, ALONE},
};

/* ---- those beside */

/* Waits for the Value to change, for ever. */
struct watcher {
  pid_t pid;
  _Atomic int64_t *seen;
};
static struct watcher watchers[2];
static struct locker waiting; /* over tcp */

static void watch_for_ever(enum party party, _Atomic int64_t *seen) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct scene scene = open_scene(party);
  for (;;) {
    hf_value value;
    party_check(hf_cell_wait(scene.watched, hf_int(atomic_load(seen)), HF_FOREVER, &value), "wait");
    atomic_store(seen, value.integer);
  }
}

static void start_watcher(struct watcher *watcher, enum party party) {
  watcher->seen = party_share(sizeof *watcher->seen);
  fflush(NULL);
  watcher->pid = fork();
  assert_true(watcher->pid >= 0);
  if (watcher->pid == 0) {
    watch_for_ever(party, watcher->seen);
  }
}

static void stop_watcher(struct watcher *watcher) {
  kill(watcher->pid, SIGKILL);
  waitpid(watcher->pid, NULL, 0);
}

/* Who finds the lock with the server when it begins to wait here waits there. */
static bool both_watch(bool are_apart) {
  const uint32_t both = CELL_LOCAL_WAITS | CELL_SERVER_WAITS;
  uint32_t flags = atomic_load(&cell_header_of(hf_cell_data(scenes[NEAR].watched))->flags) & both;
  return atomic_load(watchers[NEAR].seen) == old && atomic_load(watchers[FAR].seen) == old &&
         (flags == both || (!are_apart && flags == CELL_SERVER_WAITS));
}

static void await_both_watching(void) {
  int64_t began_ns = party_now_ns();
  while (!both_watch(party_now_ns() - began_ns < APART_MS * LATE_NS)) {
    assert_true(party_now_ns() - began_ns < (int64_t)WAKE_MS * LATE_NS);
    usleep(50);
  }
}

/* ---- after a kill */

struct counts {
  size_t kills, steps, told, old, between, new;
  int64_t worst_next_ns, worst_wake_ns;
};

static void note_worst(int64_t *worst_ns, int64_t ns) {
  *worst_ns = ns > *worst_ns ? ns : *worst_ns;
}

static hf_cell *cell_of(const struct scene *scene, enum place place) {
  return place == VALUE ? scene->value : place == WATCHED_VALUE ? scene->watched : scene->raw;
}

static int64_t element_of(const struct scene *scene, enum place place, int64_t idx) {
  hf_value value = hf_none();
  party_check(place == ARRAY ? hf_array_get(scene->array, idx, &value)
                             : hf_cell_get(cell_of(scene, place), &value),
              "get");
  return value.integer;
}

static void set_to_new(const struct scene *scene, enum place place, int64_t idx) {
  party_check(place == ARRAY ? hf_array_set(scene->array, idx, hf_int(new))
                             : hf_cell_set(cell_of(scene, place), hf_int(new)),
              "set");
}

static hf_status lock_place(const struct scene *scene, enum place place, struct hf_grant *grant) {
  return place == ARRAY ? hf_array_lock_with(scene->array, LOCK_WAIT_MS, grant)
                        : hf_cell_lock_with(cell_of(scene, place), LOCK_WAIT_MS, grant);
}

static void unlock_place(const struct scene *scene, enum place place) {
  party_check(
      place == ARRAY ? hf_array_unlock(scene->array) : hf_cell_unlock(cell_of(scene, place)),
      "unlock");
}

static size_t elements_count(const struct call *call) {
  return call->place == ARRAY ? COUNT : 1;
}

/* Each is old or new; what is not to change is old; of all, the first are new. */
static size_t count_new(const struct call *call, const int64_t *elements) {
  size_t news = 0;
  for (size_t i = 0; i < elements_count(call); i++) {
    assert_true(elements[i] == old || elements[i] == new);
    bool may_be_new = call->place != ARRAY || call->change == ALL || call->change == BEFORE ||
                      (call->change == ONE && i == CHANGED);
    assert_true(elements[i] == old || may_be_new);
    assert_true(elements[i] == old || call->change != ALL || news == i);
    news += elements[i] == new;
  }
  assert_true(call->change != BEFORE || news == COUNT);
  return news;
}

static void note_elements(const struct call *call, const int64_t *elements, struct counts *counts) {
  size_t news = count_new(call, elements);
  size_t whole = call->change == ONE ? 1 : COUNT;
  counts->old += news == 0;
  counts->new += news == whole;
  counts->between += news > 0 && news < whole;
}

/* Looks, and makes all elements those that the next call finds. */
static void look_and_renew(const struct call *call, struct scene *scene, struct counts *counts) {
  int64_t elements[COUNT];
  for (size_t i = 0; i < elements_count(call); i++) {
    elements[i] = element_of(scene, call->place, (int64_t)i);
  }
  note_elements(call, elements, counts);
  for (size_t i = 0; i < elements_count(call); i++) {
    set_to_new(scene, call->place, (int64_t)i);
  }
}

/* Whether the one who comes is told. counts: NULL for the second, who finds all as the first left
 * it. */
static bool go_in(const struct call *call, enum party party, struct counts *counts) {
  struct scene *scene = &scenes[party];
  struct hf_grant grant = {0};
  int64_t began_ns = party_now_ns();
  if (call->place != RAW) {
    party_check(lock_place(scene, call->place, &grant), "lock after a kill");
  }
  if (counts != NULL) {
    note_worst(&counts->worst_next_ns, party_now_ns() - began_ns);
    look_and_renew(call, scene, counts);
  }
  if (call->place != RAW) {
    unlock_place(scene, call->place);
  }
  return grant.owner_died;
}

/* Before anybody else touches it. */
static void expect_watchers_woken(struct counts *counts) {
  int64_t began_ns = party_now_ns();
  int64_t now = element_of(&scenes[NEAR], WATCHED_VALUE, 0);
  for (int i = 0; i < 2; i++) {
    while (atomic_load(watchers[i].seen) != now) {
      assert_true(party_now_ns() - began_ns < (int64_t)WAKE_MS * LATE_NS);
      usleep(50);
    }
  }
  note_worst(&counts->worst_wake_ns, party_now_ns() - began_ns);
}

/* One who waited for the lock already. */
static bool expect_waiting_goes_on(const struct call *call, int64_t killed_ns,
                                   struct counts *counts) {
  const struct locker_report *report = locker_end(&waiting);
  assert_int_equal(report->status, HF_OK);
  note_worst(&counts->worst_wake_ns, report->granted_ns - killed_ns);
  note_elements(call, report->elements, counts);
  return report->owner_died;
}

static void expect_lock_lives(const struct call *call, bool had_mutex, int64_t killed_ns,
                              struct counts *counts) {
  enum party first = counts->kills % 2 == 0 ? NEAR : FAR;
  bool is_told = false;
  if (call->situation == GRANTED) {
    unlock_place(&scenes[FAR], call->place);
  }
  if (call->situation == WATCHED) {
    expect_watchers_woken(counts);
  }
  if (call->situation == AWAITED) {
    is_told = expect_waiting_goes_on(call, killed_ns, counts);
  } else {
    is_told = go_in(call, first, counts);
  }
  bool is_to_be_told = call->situation == TOLD || had_mutex;
  /* Who only passed by when it died may count as a holder, or not. */
  if (is_told != is_to_be_told && (call->situation != GRANTED || !had_mutex)) {
    fail_msg("%s: kill %zu: told %d instead of %d, %s first", call->name, counts->kills, is_told,
             is_to_be_told, first == NEAR ? "here" : "over tcp");
  }
  counts->told += is_told;
  assert_false(go_in(call, first == NEAR ? FAR : NEAR, NULL));
}

static void expect_dict_whole(struct counts *counts) {
  hf_value value;
  int64_t began_ns = party_now_ns();
  struct scene *scene = &scenes[FAR];
  party_check(hf_ping(scene->conn, NULL), "ping");
  hf_status status = hf_dict_get(scene->dict, hf_int(new), &value);
  note_worst(&counts->worst_next_ns, party_now_ns() - began_ns);
  if (status == HF_NOT_FOUND) {
    counts->old++;
    return;
  }
  party_check(status, "dict get");
  assert_int_equal(value.type, HF_TYPE_TEXT);
  assert_int_equal(value.size, TEXT_BYTES);
  for (int i = 0; i < TEXT_BYTES; i++) {
    assert_int_equal(value.text[i], 'a' + (int)(new % 26));
  }
  hf_value_clear(&value);
  counts->new ++;
}

/* ---- one kill */

static void be_victim(void *arg) {
  const struct call *call = arg;
  struct scene scene = open_scene(NEAR);
  if (call->prepare != NULL) {
    call->prepare(&scene);
  }
  stepper_begin();
  call->run(&scene);
  stepper_end();
}

static pid_t start_victim(const struct call *call) {
  old = new;
  new = (int64_t)(random_next(&randomness) >> 2);
  if (call->situation == WATCHED) {
    await_both_watching();
  }
  if (call->situation == GRANTED) {
    struct hf_grant grant;
    party_check(lock_place(&scenes[FAR], call->place, &grant), "lock");
  }
  pid_t victim = stepper_start(be_victim, (void *)(uintptr_t)call);
  if (call->situation == AWAITED) {
    locker_begin(&waiting, LOCK_WAIT_MS);
    struct cell_header *header = cell_header_of(hf_array_data(scenes[NEAR].array));
    while (atomic_load(&header->remote) == 0) {
      usleep(20);
    }
  }
  return victim;
}

static bool has_mutex(const struct call *call, pid_t victim) {
  if (call->place == RAW || call->place == DICT) {
    return false;
  }
  void *elements = call->place == ARRAY ? hf_array_data(scenes[NEAR].array)
                                        : hf_cell_data(cell_of(&scenes[NEAR], call->place));
  return (atomic_load(&cell_header_of(elements)->word) & CELL_WORD_THREAD) == (uint32_t)victim;
}

/* Whether the call had not ended before. */
static bool kill_after(const struct call *call, size_t steps, struct counts *counts) {
  pid_t victim = start_victim(call);
  size_t done = stepper_go(victim, steps);
  bool had_mutex = has_mutex(call, victim);
  int64_t killed_ns = party_now_ns();
  stepper_kill(victim);
  counts->steps += done;
  if (call->place == DICT) {
    expect_dict_whole(counts);
  } else {
    expect_lock_lives(call, had_mutex, killed_ns, counts);
  }
  counts->kills++;
  return done == steps;
}

/* ---- all of a call */

/* What the first victim finds. */
static void set_all(const struct call *call) {
  for (size_t i = 0; call->place != DICT && i < elements_count(call); i++) {
    set_to_new(&scenes[NEAR], call->place, (int64_t)i);
  }
}

static size_t length_of(const struct call *call, struct counts *counts) {
  size_t before = counts->steps;
  (void)kill_after(call, SIZE_MAX, counts);
  return counts->steps - before;
}

/* A prime, so that it has nothing in common with the lengths of loops. */
static size_t stride_for(size_t length) {
  static const size_t primes[] = {1, 2, 3, 5, 7, 11, 17, 29, 47, 79, 127, 211, 347, 577, 997};
  size_t i = 0;
  while (steps_max > 0 && i + 1 < sizeof primes / sizeof *primes &&
         length / 2 * length / primes[i] > steps_max) {
    i++;
  }
  return primes[i];
}

static void kill_everywhere(const struct call *call) {
  struct counts counts = {0};
  set_all(call);
  size_t length = length_of(call, &counts), stride = stride_for(length);
  for (size_t at = random_below(&randomness, stride); kill_after(call, at, &counts);) {
    at += stride;
  }
  printf(
      "%-24s %5zu instructions, every %3zu: %5zu kills, %7zu steps; told %4zu; old %4zu, "
      "between %3zu, new %4zu; next after %lld us",
      call->name, length, stride, counts.kills, counts.steps, counts.told, counts.old,
      counts.between, counts.new, (long long)counts.worst_next_ns / 1000);
  printf(counts.worst_wake_ns > 0 ? ", waiting %lld us\n" : "\n",
         (long long)counts.worst_wake_ns / 1000);
  fflush(stdout);
  assert_true(counts.kills > 2);
  if (call->change == ONE || call->change == ALL) {
    assert_true(counts.old > 0 && counts.new > 0);
  }
}

static void test_cell_steps_killed_anywhere_the_next_goes_on(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    if (only == NULL || strstr(calls[i].name, only) != NULL) {
      kill_everywhere(&calls[i]);
    }
  }
}

/* ---- */

/* Whatever is looked up once has been when the victims are made. */
static void warm_up(void) {
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    old = new = element_of(&scenes[NEAR], RAW, 0);
    if (calls[i].run == unlock) {
      lock(&scenes[NEAR]);
    }
    if (calls[i].situation != GRANTED) {
      calls[i].run(&scenes[NEAR]);
    }
    if (calls[i].run == lock) {
      unlock(&scenes[NEAR]);
    }
  }
}

/* The stepper and the stepped through take turns; that is quickest on one processor. */
static void stay_on_this_processor(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(sched_getcpu(), &set);
  sched_setaffinity(0, sizeof set, &set);
}

static int set_up(void **state) {
  (void)state;
  daemon_start(&server, NULL);
  for (int party = NEAR; party <= FAR; party++) {
    start_watcher(&watchers[party], party);
  }
  locker_start(&waiting, &server, FAR, "array", COUNT);
  for (int party = NEAR; party <= FAR; party++) {
    scenes[party] = open_scene(party);
  }
  stay_on_this_processor();
  warm_up();
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  locker_stop(&waiting);
  for (int party = NEAR; party <= FAR; party++) {
    stop_watcher(&watchers[party]);
    close_scene(&scenes[party]);
  }
  daemon_stop(&server);
  return 0;
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cell_steps_killed_anywhere_the_next_goes_on),
  };
  randomness = (struct random){random_seed(argc, argv)};
  steps_max = argc > 2 ? strtoul(argv[2], NULL, 0) : steps_max;
  only = argc > 3 ? argv[3] : NULL;
  if (!stepper_is_permitted()) {
    printf("skipped: no ptrace here\n");
    return SKIPPED;
  }
  return cmocka_run_group_tests_name("fault.cell_steps", tests, set_up, tear_down);
}
