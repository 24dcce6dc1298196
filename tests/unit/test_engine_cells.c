/* Stories of cells in shared memory. The local threads are the test's own: it writes the futex's
 * word and the flags as they would. Sessions 1 to 3 are there, 1 and 2 of processes that the
 * server can read; "v" is a Value that 1 has mapped. */
#include "tests/support/story.h"
#include "tests/support/story_cells.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOME_THREAD 4711
#define CHILD 200 /* the id of a forked child's session is made of it */

static struct story story;
static struct story_cells cells;

static int *element(void) {
  return (int *)(cells.header + 1);
}

/* ---- requests */

static void open_shared(uint64_t connection, uint64_t sequence, Holdfast__Kind kind,
                        const char *name) {
  Holdfast__ObjectOpen open = HOLDFAST__OBJECT_OPEN__INIT;
  Holdfast__Request request = story_request(sequence, NULL, STORY_WAIT_FOREVER);
  open.kind = kind;
  open.name = (ProtobufCBinaryData){strlen(name), (uint8_t *)name};
  open.typecode = (ProtobufCBinaryData){1, (uint8_t *)"i"};
  open.length = 1;
  open.map = true;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN;
  request.object_open = &open;
  story_send(&story, connection, &request);
}

static void add(uint64_t connection, uint64_t sequence, const char *name, int64_t timeout_ms) {
  Holdfast__Value one = HOLDFAST__VALUE__INIT;
  Holdfast__ValueAdd message = HOLDFAST__VALUE_ADD__INIT;
  Holdfast__Request request = story_request(sequence, name, timeout_ms);
  one.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  one.integer = 1;
  message.amount = &one;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_VALUE_ADD;
  request.value_add = &message;
  story_send(&story, connection, &request);
}

static void wait_for_change(uint64_t connection, uint64_t sequence, const char *name,
                            int64_t known) {
  Holdfast__Value value = HOLDFAST__VALUE__INIT;
  Holdfast__ValueWait message = HOLDFAST__VALUE_WAIT__INIT;
  Holdfast__Request request = story_request(sequence, name, STORY_WAIT_FOREVER);
  value.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  value.integer = known;
  message.known = &value;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_VALUE_WAIT;
  request.value_wait = &message;
  story_send(&story, connection, &request);
}

static void notify(uint64_t connection, const char *name) {
  Holdfast__CellNotify message = HOLDFAST__CELL_NOTIFY__INIT;
  Holdfast__Request request = story_request(0, name, STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_CELL_NOTIFY;
  request.cell_notify = &message;
  story_send(&story, connection, &request);
}

static void take_over(uint64_t connection, uint64_t sequence, uint32_t levels) {
  Holdfast__LockAcquire message = HOLDFAST__LOCK_ACQUIRE__INIT;
  Holdfast__Request request = story_request(sequence, "v", 0);
  message.levels = levels;
  request.thread = 1;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_LOCK_ACQUIRE;
  request.lock_acquire = &message;
  story_send(&story, connection, &request);
}

static void delete (uint64_t connection, uint64_t sequence, const char *name) {
  Holdfast__ObjectDelete message = HOLDFAST__OBJECT_DELETE__INIT;
  Holdfast__Request request = story_request(sequence, name, STORY_WAIT_FOREVER);
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_DELETE;
  request.object_delete = &message;
  story_send(&story, connection, &request);
}

/* ---- */

static int set_up(void **state) {
  (void)state;
  story_begin_with_cells(&story, &cells);
  open_shared(1, 1, HOLDFAST__KIND__VALUE, "v");
  story_forget(&story);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  story_end(&story);
  story_cells_end(&cells);
  assert_int_equal(cells.out, 0);
  return 0;
}

static void lock_locally(void) {
  atomic_store(&cells.header->word, SOME_THREAD);
}

static void unlock_locally(void) {
  atomic_store(&cells.header->word, 0);
}

static void test_cells_free_lock_is_the_servers_for_a_moment(void **state) {
  (void)state;
  add(2, 1, "v", STORY_WAIT_FOREVER);
  story_expect(&story, "2 <- #1 OK 1\n");
  assert_int_equal(*element(), 1);
  assert_int_equal(atomic_load(&cells.header->remote), 0);
}

static void test_cells_local_store_is_seen(void **state) {
  (void)state;
  *element() = 41;
  add(2, 1, "v", STORY_WAIT_FOREVER);
  story_expect(&story, "2 <- #1 OK 42\n");
}

static void test_cells_locked_locally_others_wait_and_are_notified(void **state) {
  (void)state;
  lock_locally();
  add(2, 1, "v", STORY_WAIT_FOREVER);
  add(3, 1, "v", STORY_WAIT_FOREVER);
  story_expect(&story, "");
  assert_int_equal(atomic_load(&cells.header->remote), 1);
  notify(1, "v");
  story_expect(&story, "");
  unlock_locally();
  notify(1, "v");
  story_expect(&story, "2 <- #1 OK 1\n3 <- #1 OK 2\n");
  assert_int_equal(atomic_load(&cells.header->remote), 0);
}

static void test_cells_without_a_notification_the_server_polls(void **state) {
  (void)state;
  lock_locally();
  add(2, 1, "v", STORY_WAIT_FOREVER);
  for (unsigned ms = 0; ms < 500; ms++) {
    story_pass_ms(&story, 1);
  }
  story_expect(&story, "");
  unlock_locally();
  story_pass_ms(&story, 10);
  story_expect(&story, "2 <- #1 OK 1\n");
  assert_int_equal(engine_next_deadline_ns(story.engine), UINT64_MAX);
}

static void test_cells_next_request_finds_out_too(void **state) {
  (void)state;
  lock_locally();
  add(2, 1, "v", STORY_WAIT_FOREVER);
  unlock_locally();
  add(3, 1, "v", STORY_WAIT_FOREVER);
  story_expect(&story, "2 <- #1 OK 1\n3 <- #1 OK 2\n");
}

/* A client's last step may have been an unlock or a store, without a notification: it died. */
static void test_cells_gone_client_counts_as_a_notification(void **state) {
  (void)state;
  lock_locally();
  add(2, 1, "v", STORY_WAIT_FOREVER);
  unlock_locally();
  story_disconnect(&story, 1);
  story_expect(&story, "process 101 watched\n2 <- #1 OK 1\n");
}

static void test_cells_gone_clients_store_is_seen_at_once(void **state) {
  (void)state;
  wait_for_change(2, 1, "v", 0);
  *element() = 41;
  story_expect(&story, "");
  story_disconnect(&story, 1);
  story_expect(&story, "process 101 watched\n2 <- #1 OK 41\n");
}

static void test_cells_stopped_owner_delays_only_until_the_timeout(void **state) {
  (void)state;
  lock_locally();
  add(2, 1, "v", 0);
  story_expect(&story, "2 <- #1 DEADLINE_EXCEEDED LOCK_HELD\n");
  assert_int_equal(atomic_load(&cells.header->remote), 0);
  add(2, 2, "v", 20);
  story_pass_ms(&story, 20);
  story_expect(&story, "2 <- #2 DEADLINE_EXCEEDED LOCK_HELD\n");
  assert_int_equal(atomic_load(&cells.header->remote), 0);
}

/* The first in the queue gets the lock with its last run, a moment before any check. */
static void test_cells_had_at_the_last_moment_is_passed_on(void **state) {
  (void)state;
  lock_locally();
  add(2, 1, "v", 20);
  add(3, 1, "v", STORY_WAIT_FOREVER);
  for (unsigned ms = 0; ms < 19; ms++) {
    story_pass_ms(&story, 1);
  }
  unlock_locally();
  story_pass_ms(&story, 1);
  story_expect(&story, "2 <- #1 OK 1\n3 <- #1 OK 2\n");
  assert_int_equal(atomic_load(&cells.header->remote), 0);
}

static void test_cells_lost_waiter_leaves_the_lock_to_local_threads(void **state) {
  (void)state;
  lock_locally();
  add(2, 1, "v", STORY_WAIT_FOREVER);
  assert_int_equal(atomic_load(&cells.header->remote), 1);
  story_disconnect(&story, 2);
  assert_int_equal(atomic_load(&cells.header->remote), 0);
}

static void test_cells_wanted_lock_is_polled_sooner_than_a_change(void **state) {
  (void)state;
  wait_for_change(3, 1, "v", 0);
  lock_locally();
  add(2, 1, "v", STORY_WAIT_FOREVER);
  unlock_locally();
  story_pass_ms(&story, 1);
  story_expect(&story, "2 <- #1 OK 1\n3 <- #1 OK 1\n");
}

static void test_cells_grant_keeps_local_threads_out(void **state) {
  (void)state;
  story_acquire(&story, 2, 1, "v", 1, STORY_WAIT_FOREVER);
  story_expect(&story, "2 <- #1 OK granted\n");
  assert_int_equal(atomic_load(&cells.header->remote), 1);
  lock_locally(); /* it sees the flag, and goes again without a store */
  add(3, 1, "v", STORY_WAIT_FOREVER);
  unlock_locally();
  story_release(&story, 2, 2, "v", 1);
  story_expect(&story, "2 <- #2 OK\n3 <- #1 OK 1\n");
  assert_int_equal(atomic_load(&cells.header->remote), 0);
}

static void test_cells_death_of_a_session_lets_local_threads_in_and_is_reported(void **state) {
  (void)state;
  story_acquire(&story, 2, 1, "v", 1, STORY_WAIT_FOREVER);
  story_disconnect(&story, 2);
  story_pass_ms(&story, 5000);
  assert_int_equal(atomic_load(&cells.header->remote), 0);
  assert_true(atomic_load(&cells.header->flags) & CELL_DIED);
  story_acquire(&story, 3, 1, "v", 1, STORY_WAIT_FOREVER);
  story_expect(&story,
               "2 <- #1 OK granted\nprocess 102 watched\nprocess 102 forgotten\n"
               "3 <- #1 OK granted, owner died\n");
  assert_false(atomic_load(&cells.header->flags) & CELL_DIED);
}

static void test_cells_death_of_a_local_owner_is_reported_once(void **state) {
  (void)state;
  lock_locally();
  story_acquire(&story, 2, 1, "v", 1, STORY_WAIT_FOREVER);
  atomic_store(&cells.header->word, CELL_WORD_DIED | UINT32_C(0x80000000));
  story_pass_ms(&story, 1);
  story_expect(&story, "2 <- #1 OK granted, owner died\n");
  assert_true(atomic_load(&cells.header->flags) & CELL_NOTIFIED);
  story_release(&story, 2, 2, "v", 1);
  story_acquire(&story, 3, 1, "v", 1, STORY_WAIT_FOREVER);
  story_expect(&story, "2 <- #2 OK\n3 <- #1 OK granted\n");
}

static void test_cells_death_noticed_by_a_local_thread_is_reported_here(void **state) {
  (void)state;
  atomic_fetch_or(&cells.header->flags, CELL_DIED);
  add(2, 1, "v", STORY_WAIT_FOREVER);
  story_acquire(&story, 2, 2, "v", 1, STORY_WAIT_FOREVER);
  story_expect(&story, "2 <- #1 OK 1\n2 <- #2 OK granted, owner died\n");
}

/* ---- a death that two find at once */

#define FINDS 20000
#define SEQUENCES 50

static atomic_int found; /* 1: go on */
static int reported_here;

static void *lock_and_die(void *unused) {
  (void)unused;
  pthread_mutex_lock(&cells.header->mutex);
  return NULL;
}

/* As a client does (client/src/mapped/mapped_lock.c). */
static void *take_over_from_dead(void *delay) {
  while (atomic_load(&found) == 0) {
  }
  for (volatile uintptr_t i = 0; i < (uintptr_t)delay; i++) {
  }
  if (pthread_mutex_trylock(&cells.header->mutex) != EOWNERDEAD) {
    abort();
  }
  pthread_mutex_consistent(&cells.header->mutex);
  if (!(atomic_fetch_and(&cells.header->flags, ~(uint32_t)CELL_NOTIFIED) & CELL_NOTIFIED)) {
    atomic_fetch_or(&cells.header->flags, CELL_DIED);
  }
  if (atomic_load(&cells.header->remote) == 0) {
    reported_here = (atomic_fetch_and(&cells.header->flags, ~(uint32_t)CELL_DIED) & CELL_DIED) != 0;
  }
  pthread_mutex_unlock(&cells.header->mutex);
  return NULL;
}

/* Whether the grant reported the death. */
static int find_death(uint64_t sequence, uintptr_t delay) {
  pthread_t thread;
  pthread_create(&thread, NULL, lock_and_die, NULL);
  pthread_join(thread, NULL);
  atomic_store(&found, 0);
  reported_here = 0;
  pthread_create(&thread, NULL, take_over_from_dead, (void *)delay);
  usleep(30); /* until it runs */
  atomic_store(&found, 1);
  story_acquire(&story, 2, sequence, "v", 1, STORY_WAIT_FOREVER);
  pthread_join(thread, NULL);
  notify(1, "v");
  assert_non_null(strstr(story.text, "granted"));
  return strstr(story.text, "owner died") != NULL;
}

static void test_cells_death_found_by_two_is_reported_to_one(void **state) {
  unsigned here = 0;
  for (uint64_t i = 0, sequence = 1; i < FINDS; i++, sequence += 2) {
    if (sequence > SEQUENCES) { /* a session keeps its replies */
      tear_down(state);
      set_up(state);
      sequence = 1;
    }
    int reported = find_death(sequence, (uintptr_t)(100 + i * 7 % 900));
    story_forget(&story);
    story_release(&story, 2, sequence + 1, "v", 1);
    story_forget(&story);
    here += (unsigned)reported_here;
    assert_int_equal(reported + reported_here, 1);
    assert_int_equal(atomic_load(&cells.header->flags) & (CELL_DIED | CELL_NOTIFIED), 0);
  }
  print_message("%d deaths, %u reported here\n", FINDS, here);
}

static void test_cells_owner_changes_over_to_a_grant(void **state) {
  (void)state;
  lock_locally();
  add(2, 1, "v", STORY_WAIT_FOREVER);
  take_over(1, 2, 2);
  story_expect(&story, "1 <- #2 OK granted\n");
  unlock_locally();
  notify(1, "v");
  story_release(&story, 1, 3, "v", 1);
  story_expect(&story, "1 <- #3 OK\n");
  story_release(&story, 1, 4, "v", 1);
  story_expect(&story, "1 <- #4 OK\n2 <- #1 OK 1\n");
}

static void test_cells_change_over_that_is_taken_back_leaves_no_level(void **state) {
  (void)state;
  Holdfast__Cancel cancel = HOLDFAST__CANCEL__INIT;
  Holdfast__Request request = story_request(3, NULL, STORY_WAIT_FOREVER);
  cancel.sequence = 2;
  cancel.revoke = true;
  request.operation_case = HOLDFAST__REQUEST__OPERATION_CANCEL;
  request.cancel = &cancel;
  lock_locally();
  add(2, 1, "v", STORY_WAIT_FOREVER);
  take_over(1, 2, UINT32_MAX);
  story_send(&story, 1, &request);
  unlock_locally();
  notify(1, "v");
  story_expect(&story, "1 <- #2 OK granted\n1 <- #3 OK yes\n2 <- #1 OK 1\n");
}

static void test_cells_nobody_else_changes_over(void **state) {
  (void)state;
  take_over(1, 2, 1);
  story_acquire(&story, 2, 1, "v", 1, STORY_WAIT_FOREVER);
  lock_locally();
  take_over(1, 3, 1);
  unlock_locally();
  story_expect(&story,
               "1 <- #2 FAILED_PRECONDITION NOT_OWNER\n2 <- #1 OK granted\n"
               "1 <- #3 FAILED_PRECONDITION NOT_OWNER\n");
}

/* Session 3 has not mapped it, and 2 has, but the thread is not of its process. */
static void test_cells_a_stranger_does_not_change_over(void **state) {
  (void)state;
  open_shared(2, 1, HOLDFAST__KIND__VALUE, "v");
  story_forget(&story);
  cells.threads_of = 101;
  lock_locally();
  take_over(3, 1, 1);
  take_over(2, 2, 1);
  take_over(1, 2, 1);
  unlock_locally();
  story_expect(&story,
               "3 <- #1 FAILED_PRECONDITION NOT_OWNER\n2 <- #2 FAILED_PRECONDITION NOT_OWNER\n"
               "1 <- #2 OK granted\n");
}

static void test_cells_a_client_elsewhere_takes_no_place(void **state) {
  (void)state;
  story_connect(&story, 4);
  story_open_session(&story, 4);
  open_shared(4, 1, HOLDFAST__KIND__RAW_VALUE, "r");
  assert_int_equal(cells.out, 1); /* that of "v" */
  open_shared(3, 1, HOLDFAST__KIND__RAW_VALUE, "r");
  assert_int_equal(cells.out, 2);
}

static void test_cells_waiter_for_change_is_notified_or_polls(void **state) {
  (void)state;
  wait_for_change(2, 1, "v", 0);
  assert_true(atomic_load(&cells.header->flags) & CELL_SERVER_WAITS);
  notify(1, "v");
  story_expect(&story, "");
  *element() = 5;
  notify(1, "v");
  story_expect(&story, "2 <- #1 OK 5\n");
  assert_false(atomic_load(&cells.header->flags) & CELL_SERVER_WAITS);
  wait_for_change(2, 2, "v", 5);
  story_pass_ms(&story, 50);
  story_pass_ms(&story, 50);
  *element() = 6;
  story_pass_ms(&story, 49);
  story_expect(&story, "");
  story_pass_ms(&story, 1);
  story_expect(&story, "2 <- #2 OK 6\n");
}

static void test_cells_change_by_the_server_wakes_local_waiters(void **state) {
  (void)state;
  add(2, 1, "v", STORY_WAIT_FOREVER);
  assert_int_equal(cells.wakes, 0);
  atomic_fetch_or(&cells.header->flags, CELL_LOCAL_WAITS);
  add(2, 2, "v", STORY_WAIT_FOREVER);
  assert_int_equal(cells.wakes, 1);
  assert_int_equal(atomic_load(&cells.header->changes), 1);
  add(2, 3, "v", STORY_WAIT_FOREVER);
  assert_int_equal(cells.wakes, 1);
}

static void test_cells_raw_have_no_lock(void **state) {
  (void)state;
  open_shared(1, 2, HOLDFAST__KIND__RAW_VALUE, "r");
  story_expect(&story, "1 <- #2 OK created shared\n");
  lock_locally();
  add(2, 1, "r", STORY_WAIT_FOREVER);
  story_expect(&story, "2 <- #1 OK 1\n");
}

static void test_cells_with_a_lock_are_not_for_who_counts_threads_otherwise(void **state) {
  (void)state;
  open_shared(3, 1, HOLDFAST__KIND__VALUE, "v");
  open_shared(3, 2, HOLDFAST__KIND__ARRAY, "a");
  story_expect(&story, "3 <- #1 OK there\n3 <- #2 OK created\n");
  assert_int_equal(cells.out, 1);
  open_shared(3, 3, HOLDFAST__KIND__RAW_VALUE, "r");
  open_shared(3, 4, HOLDFAST__KIND__RAW_ARRAY, "ra");
  story_expect(&story, "3 <- #3 OK created shared\n3 <- #4 OK created shared\n");
}

static void test_cells_move_with_their_content(void **state) {
  (void)state;
  Holdfast__ObjectOpen open = HOLDFAST__OBJECT_OPEN__INIT;
  Holdfast__Request request = story_request(1, NULL, STORY_WAIT_FOREVER);
  open.kind = HOLDFAST__KIND__VALUE;
  open.name = (ProtobufCBinaryData){1, (uint8_t *)"w"};
  open.typecode = (ProtobufCBinaryData){1, (uint8_t *)"i"};
  request.operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN;
  request.object_open = &open;
  story_send(&story, 2, &request);
  add(2, 2, "w", STORY_WAIT_FOREVER);
  story_acquire(&story, 2, 3, "w", 1, STORY_WAIT_FOREVER);
  story_expect(&story, "2 <- #1 OK created\n2 <- #2 OK 1\n2 <- #3 OK granted\n");
  open_shared(1, 2, HOLDFAST__KIND__VALUE, "w");
  story_expect(&story, "1 <- #2 OK there shared locked by \"?\"\n");
  assert_int_equal(*element(), 1);
  assert_int_equal(atomic_load(&cells.header->remote), 1);
  story_release(&story, 2, 4, "w", 1);
  assert_int_equal(atomic_load(&cells.header->remote), 0);
}

static void test_cells_without_room_stay_where_they_are(void **state) {
  (void)state;
  cells.bytes_max = 0;
  open_shared(1, 2, HOLDFAST__KIND__VALUE, "w");
  add(2, 1, "w", STORY_WAIT_FOREVER);
  story_expect(&story, "1 <- #2 OK created\n2 <- #1 OK 1\n");
}

static void test_cells_location_stays_while_a_session_may_read(void **state) {
  (void)state;
  open_shared(2, 1, HOLDFAST__KIND__VALUE, "v");
  delete (3, 1, "v");
  assert_int_equal(cells.out, 1);
  assert_int_equal(atomic_load(&cells.header->owner), 0);
  assert_int_equal(cells.wakes, 1);
  story_disconnect(&story, 2);
  story_pass_ms(&story, 5000);
  assert_int_equal(cells.out, 1);
  story_close_session(&story, 1);
  assert_int_equal(cells.out, 0);
}

static void test_cells_location_of_a_lost_session_is_retired(void **state) {
  (void)state;
  open_shared(2, 1, HOLDFAST__KIND__VALUE, "v");
  story_disconnect(&story, 2);
  story_pass_ms(&story, 5000);
  delete (3, 1, "v");
  assert_int_equal(cells.out, 1);
  story_close_session(&story, 1);
  assert_int_equal(cells.out, 0);
  assert_int_equal(cells.retired, 1);
}

/* The reply with the location was never acknowledged: the reference in it is revoked. */
static void test_cells_memory_that_a_lost_session_was_just_given_is_retired(void **state) {
  (void)state;
  open_shared(2, 1, HOLDFAST__KIND__RAW_VALUE, "r");
  delete (3, 1, "r");
  assert_int_equal(cells.out, 2);
  story_disconnect(&story, 2);
  story_pass_ms(&story, 5000);
  assert_int_equal(cells.out, 1);
  assert_int_equal(cells.retired, 1);
}

static void test_cells_location_of_a_goodbye_is_not_retired(void **state) {
  (void)state;
  delete (3, 1, "v");
  story_close_session(&story, 1);
  assert_int_equal(cells.out, 0);
  assert_int_equal(cells.retired, 0);
}

static void test_cells_location_stays_while_a_forked_child_may_write(void **state) {
  (void)state;
  uint8_t id[HF_SESSION_BYTES];
  Holdfast__ForkSession fork_session = HOLDFAST__FORK_SESSION__INIT;
  Holdfast__Request request = story_request(2, NULL, STORY_WAIT_FOREVER);
  memset(id, CHILD, sizeof id);
  fork_session.child = (ProtobufCBinaryData){sizeof id, id};
  request.operation_case = HOLDFAST__REQUEST__OPERATION_FORK_SESSION;
  request.fork_session = &fork_session;
  story_send(&story, 1, &request);
  delete (3, 1, "v");
  story_close_session(&story, 1);
  assert_int_equal(cells.out, 1);
  story_connect(&story, 4);
  story_resume(&story, 4, CHILD, 1);
  assert_int_equal(cells.out, 1);
  story_disconnect(&story, 4);
  story_pass_ms(&story, 5000);
  assert_int_equal(cells.out, 0);
  assert_int_equal(cells.retired, 1);
}

static void test_cells_deleted_while_others_wait(void **state) {
  (void)state;
  lock_locally();
  add(2, 1, "v", STORY_WAIT_FOREVER);
  delete (3, 1, "v");
  story_expect(&story, "2 <- #1 ABORTED OBJECT_DELETED\n3 <- #1 OK\n");
  story_pass_ms(&story, 1000);
}

static void test_cells_overwritten_nothing_is_believed(void **state) {
  (void)state;
  for (unsigned byte = 0; byte < 256; byte++) {
    memset((void *)cells.header, (int)byte, sizeof *cells.header);
    add(2, 1 + 2 * byte, "v", 0);
    wait_for_change(3, 1 + byte, "v", 1000000);
    unlock_locally();
    notify(1, "v");
    add(2, 2 + 2 * byte, "v", 0);
    story_forget(&story);
  }
  assert_int_equal(atomic_load(&cells.header->remote), 0);
}

#define STORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      STORY(test_cells_free_lock_is_the_servers_for_a_moment),
      STORY(test_cells_local_store_is_seen),
      STORY(test_cells_locked_locally_others_wait_and_are_notified),
      STORY(test_cells_without_a_notification_the_server_polls),
      STORY(test_cells_next_request_finds_out_too),
      STORY(test_cells_gone_client_counts_as_a_notification),
      STORY(test_cells_gone_clients_store_is_seen_at_once),
      STORY(test_cells_stopped_owner_delays_only_until_the_timeout),
      STORY(test_cells_had_at_the_last_moment_is_passed_on),
      STORY(test_cells_lost_waiter_leaves_the_lock_to_local_threads),
      STORY(test_cells_wanted_lock_is_polled_sooner_than_a_change),
      STORY(test_cells_grant_keeps_local_threads_out),
      STORY(test_cells_death_of_a_session_lets_local_threads_in_and_is_reported),
      STORY(test_cells_death_of_a_local_owner_is_reported_once),
      STORY(test_cells_death_noticed_by_a_local_thread_is_reported_here),
      STORY(test_cells_death_found_by_two_is_reported_to_one),
      STORY(test_cells_owner_changes_over_to_a_grant),
      STORY(test_cells_change_over_that_is_taken_back_leaves_no_level),
      STORY(test_cells_nobody_else_changes_over),
      STORY(test_cells_a_stranger_does_not_change_over),
      STORY(test_cells_a_client_elsewhere_takes_no_place),
      STORY(test_cells_waiter_for_change_is_notified_or_polls),
      STORY(test_cells_change_by_the_server_wakes_local_waiters),
      STORY(test_cells_raw_have_no_lock),
      STORY(test_cells_with_a_lock_are_not_for_who_counts_threads_otherwise),
      STORY(test_cells_move_with_their_content),
      STORY(test_cells_without_room_stay_where_they_are),
      STORY(test_cells_location_stays_while_a_session_may_read),
      STORY(test_cells_location_of_a_lost_session_is_retired),
      STORY(test_cells_memory_that_a_lost_session_was_just_given_is_retired),
      STORY(test_cells_location_of_a_goodbye_is_not_retired),
      STORY(test_cells_location_stays_while_a_forked_child_may_write),
      STORY(test_cells_deleted_while_others_wait),
      STORY(test_cells_overwritten_nothing_is_believed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
