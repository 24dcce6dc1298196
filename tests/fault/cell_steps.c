/* A process is killed between any two instructions of a call on shared memory.
 *
 * A process is led through a call step by step (stepper.h) and killed after 0, 1, 2 ... steps, each
 * time a new one, until the call's end is reached. After each kill: the next gets the lock at once,
 * on this machine or over the network, alternately; the death is reported to it if the dead thread
 * owned the mutex, and no death is reported twice; each element is the old one or the new one;
 * waiters for the lock or for a change are woken. A request into the rings has happened
 * wholly, or not at all, and the server answers others.
 *
 * Stepping to the N-th instruction costs N steps, so all of a call of T instructions costs half of
 * T * T. Where that is too much, only every n-th is tried, from another beginning with each seed.
 *
 * usage: cell_steps [SEED [STEPS [CALL]]]     steps per call at most, 0: after each instruction;
 *                                             a part of the names of calls
 */
#define _GNU_SOURCE /* for processor sets */
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
#include "tests/fault/cell_calls.h"
#include "tests/fault/stepper.h"
#include "tests/support/random.h"

#define SKIPPED 77
#define WAKE_MS 5000
#define APART_MS 5
#define LATE_NS 1000000
#define PARTS_LEAST 20 /* that a call is stopped in, if all its stages are to be met */
#define KILL_S_MAX 60  /* with all that follows; the longest takes 0.2 s when nothing else runs */

static struct daemon server;
static struct random randomness;
static size_t steps_max = 110000;
static const char *only; /* calls with this in their name */

static struct scene scenes[2];

/* What the elements were, what the call makes them. */
static int64_t old, new;

/* ---- no wait without an end */

static char doing[256];

/* A call waits for ever: of this process, of the stepped one, or of those beside. */
static void give_up(int signal) {
  (void)signal;
  ssize_t written = write(STDERR_FILENO, doing, strlen(doing));
  (void)written;
  abort();
}

static void begin_part(const struct call *call, size_t kill, pid_t victim, const char *part) {
  snprintf(doing, sizeof doing, "%s: kill %zu, process %d: no end of %s\n", call->name, kill,
           (int)victim, part);
  alarm(KILL_S_MAX);
}

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
  struct scene scene = scene_open(&server, party);
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

/* A watcher that finds the lock with the server when it begins to wait in its mapping waits at the
 * server. */
static bool both_watch(bool are_apart) {
  const uint32_t both = CELL_LOCAL_WAITS | CELL_SERVER_WAITS;
  uint32_t flags = atomic_load(&target_header(&scenes[MAPPED], WATCHED_VALUE)->flags) & both;
  return atomic_load(watchers[MAPPED].seen) == old && atomic_load(watchers[REMOTE].seen) == old &&
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
  size_t kills, steps, reported, old, between, new;
  int64_t worst_next_ns, worst_wake_ns;
};

static void record_worst(int64_t *worst_ns, int64_t ns) {
  *worst_ns = ns > *worst_ns ? ns : *worst_ns;
}

/* Each is old or new; what is not to change is old; of all, the first are new. */
static size_t count_new(const struct call *call, const int64_t *elements) {
  size_t news = 0;
  for (size_t i = 0; i < target_count(call->target); i++) {
    assert_true(elements[i] == old || elements[i] == new);
    bool may_be_new = call->target != ARRAY || call->change == ALL || call->change == BEFORE ||
                      (call->change == ONE && i == CALLS_CHANGED);
    assert_true(elements[i] == old || may_be_new);
    assert_true(elements[i] == old || call->change != ALL || news == i);
    news += elements[i] == new;
  }
  assert_true(call->change != BEFORE || news == CALLS_COUNT);
  return news;
}

static void record_elements(const struct call *call, const int64_t *elements,
                            struct counts *counts) {
  size_t news = count_new(call, elements);
  size_t whole = call->change == ONE ? 1 : CALLS_COUNT;
  counts->old += news == 0;
  counts->new += news == whole;
  counts->between += news > 0 && news < whole;
}

/* Records the elements, and sets all to what the next call finds. */
static void look_and_renew(const struct call *call, struct scene *scene, struct counts *counts) {
  int64_t elements[CALLS_COUNT] = {0};
  for (size_t i = 0; i < target_count(call->target); i++) {
    elements[i] = target_get(scene, call->target, (int64_t)i);
  }
  record_elements(call, elements, counts);
  for (size_t i = 0; i < target_count(call->target); i++) {
    target_set(scene, call->target, (int64_t)i, new);
  }
}

/* Whether a death is reported to the next locker. counts: NULL for the second locker, which finds
 * all as the first left it. */
static bool go_in(const struct call *call, enum party party, struct counts *counts) {
  struct scene *scene = &scenes[party];
  bool is_reported = false;
  int64_t began_ns = party_now_ns();
  if (call->target != RAW) {
    is_reported = target_lock(scene, call->target);
  }
  if (counts != NULL) {
    record_worst(&counts->worst_next_ns, party_now_ns() - began_ns);
    look_and_renew(call, scene, counts);
  }
  if (call->target != RAW) {
    target_unlock(scene, call->target);
  }
  return is_reported;
}

/* Before any other process accesses the cell. */
static void expect_watchers_woken(struct counts *counts) {
  int64_t began_ns = party_now_ns();
  int64_t now = target_get(&scenes[MAPPED], WATCHED_VALUE, 0);
  for (int i = 0; i < 2; i++) {
    while (atomic_load(watchers[i].seen) != now) {
      assert_true(party_now_ns() - began_ns < (int64_t)WAKE_MS * LATE_NS);
      usleep(50);
    }
  }
  record_worst(&counts->worst_wake_ns, party_now_ns() - began_ns);
}

/* A process that waited for the lock before the kill. */
static bool expect_waiting_goes_on(const struct call *call, int64_t killed_ns,
                                   struct counts *counts) {
  const struct locker_report *report = locker_end(&waiting);
  assert_int_equal(report->status, HF_OK);
  record_worst(&counts->worst_wake_ns, report->granted_ns - killed_ns);
  record_elements(call, report->elements, counts);
  return report->owner_died;
}

static uint64_t connection_count(void) {
  struct hf_server_info info;
  party_check(hf_server_info(scenes[REMOTE].conn, &info), "server info");
  return info.connections;
}

/* Until the server has served all that the dead one said: a try for the lock of before is not to
 * get it. */
static void await_its_end(uint64_t connections) {
  while (connection_count() > connections) {
    usleep(20);
  }
}

static void expect_lock_lives(const struct call *call, bool had_mutex, int64_t killed_ns,
                              struct counts *counts) {
  enum party first = counts->kills % 2 == 0 ? MAPPED : REMOTE;
  bool is_reported = false;
  if (call->situation == GRANTED) {
    target_unlock(&scenes[REMOTE], call->target);
  }
  if (call->situation == WATCHED) {
    expect_watchers_woken(counts);
  }
  if (call->situation == AWAITED) {
    is_reported = expect_waiting_goes_on(call, killed_ns, counts);
  } else {
    is_reported = go_in(call, first, counts);
  }
  bool is_to_be_reported = call->situation == OWNER_DIED || had_mutex;
  /* A process that only tried the mutex when it died may count as an owner, or not. */
  if (is_reported != is_to_be_reported && (call->situation != GRANTED || !had_mutex)) {
    fail_msg("%s: kill %zu: death reported %d instead of %d, %s first", call->name, counts->kills,
             is_reported, is_to_be_reported, first == MAPPED ? "here" : "over tcp");
  }
  counts->reported += is_reported;
  assert_false(go_in(call, first == MAPPED ? REMOTE : MAPPED, NULL));
}

static void expect_dict_whole(struct counts *counts) {
  hf_value value;
  int64_t began_ns = party_now_ns();
  struct scene *scene = &scenes[REMOTE];
  party_check(hf_ping(scene->conn, NULL), "ping");
  hf_status status = hf_dict_get(scene->dict, hf_int(new), &value);
  record_worst(&counts->worst_next_ns, party_now_ns() - began_ns);
  if (status == HF_NOT_FOUND) {
    counts->old++;
    return;
  }
  party_check(status, "dict get");
  assert_int_equal(value.type, HF_TYPE_TEXT);
  assert_int_equal(value.size, CALLS_TEXT_BYTES);
  for (int i = 0; i < CALLS_TEXT_BYTES; i++) {
    assert_int_equal(value.text[i], 'a' + (int)(new % 26));
  }
  hf_value_clear(&value);
  counts->new ++;
}

/* ---- one kill */

static void be_victim(void *arg) {
  const struct call *call = arg;
  struct scene scene = scene_open(&server, MAPPED);
  scene.old = old;
  scene.new = new;
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
    (void)target_lock(&scenes[REMOTE], call->target);
  }
  pid_t victim = stepper_start(be_victim, (void *)(uintptr_t)call);
  if (call->situation == AWAITED) {
    locker_begin(&waiting, CALLS_LOCK_WAIT_MS);
    const struct cell_header *header = target_header(&scenes[MAPPED], ARRAY);
    while (atomic_load(&header->remote) == 0) {
      usleep(20);
    }
  }
  return victim;
}

static bool has_mutex(const struct call *call, pid_t victim) {
  if (call->target == RAW || call->target == DICT) {
    return false;
  }
  uint32_t word = atomic_load(&target_header(&scenes[MAPPED], call->target)->word);
  return (word & CELL_WORD_THREAD) == (uint32_t)victim;
}

/* Answers how many steps there were: fewer when the call has ended. */
static size_t kill_after(const struct call *call, size_t steps, struct counts *counts) {
  begin_part(call, counts->kills, 0, "the victim's beginning");
  uint64_t connections = call->situation == GRANTED ? connection_count() : 0;
  pid_t victim = start_victim(call);
  begin_part(call, counts->kills, victim, "its steps");
  size_t done = stepper_go(victim, steps);
  bool had_mutex = has_mutex(call, victim);
  int64_t killed_ns = party_now_ns();
  begin_part(call, counts->kills, victim, "its death");
  stepper_kill(victim);
  begin_part(call, counts->kills, victim, "what follows");
  if (call->situation == GRANTED) {
    await_its_end(connections);
  }
  counts->steps += done;
  if (call->target == DICT) {
    expect_dict_whole(counts);
  } else {
    expect_lock_lives(call, had_mutex, killed_ns, counts);
  }
  counts->kills++;
  alarm(0);
  return done;
}

/* ---- all of a call */

/* What the first victim finds. */
static void set_all(const struct call *call) {
  for (size_t i = 0; call->target != DICT && i < target_count(call->target); i++) {
    target_set(&scenes[MAPPED], call->target, (int64_t)i, new);
  }
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
  size_t length = kill_after(call, SIZE_MAX, &counts), stride = stride_for(length);
  size_t at = random_below(&randomness, stride);
  bool has_ended = false;
  for (; at <= length || !has_ended; at += stride) { /* it goes a longer or shorter way at times */
    has_ended = kill_after(call, at, &counts) < at;
  }
  printf(
      "%-24s %5zu instructions, every %3zu: %5zu kills, %7zu steps; reported %4zu; old %4zu, "
      "between %3zu, new %4zu; next after %lld us",
      call->name, length, stride, counts.kills, counts.steps, counts.reported, counts.old,
      counts.between, counts.new, (long long)counts.worst_next_ns / 1000);
  printf(counts.worst_wake_ns > 0 ? ", waiting %lld us\n" : "\n",
         (long long)counts.worst_wake_ns / 1000);
  fflush(stdout);
  assert_true(counts.kills > 2);
  bool is_fine = length / stride > PARTS_LEAST;
  if (is_fine && (call->change == ONE || call->change == ALL)) {
    assert_true(counts.old > 0 && counts.new > 0);
  }
}

static void test_cell_steps_killed_anywhere_the_next_goes_on(void **state) {
  (void)state;
  for (size_t i = 0; i < cell_calls_count; i++) {
    if (only == NULL || strstr(cell_calls[i].name, only) != NULL) {
      kill_everywhere(&cell_calls[i]);
    }
  }
}

/* ---- */

/* The stepper and the stepped process alternate; that is quickest on one processor. */
static void stay_on_this_processor(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(sched_getcpu(), &set);
  sched_setaffinity(0, sizeof set, &set);
}

static int set_up(void **state) {
  (void)state;
  daemon_start(&server, NULL);
  for (int party = MAPPED; party <= REMOTE; party++) {
    start_watcher(&watchers[party], party);
  }
  locker_start(&waiting, &server, REMOTE, "array", CALLS_COUNT);
  for (int party = MAPPED; party <= REMOTE; party++) {
    scenes[party] = scene_open(&server, party);
  }
  stay_on_this_processor();
  cell_calls_warm_up(&scenes[MAPPED]);
  signal(SIGALRM, give_up);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  locker_stop(&waiting);
  for (int party = MAPPED; party <= REMOTE; party++) {
    stop_watcher(&watchers[party]);
    scene_close(&scenes[party]);
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
