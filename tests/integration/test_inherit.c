/* What was open at a fork is the child's too, whatever the parent does from then on. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/world.h"

enum { GRACE_MS = 100, LATER_MS = 4 * GRACE_MS };

/* An answer for the waiting process, also when the processes in between have ended. */
struct report {
  int ends[2];
};

static struct report report_begin(void) {
  struct report report;
  assert_int_equal(pipe(report.ends), 0);
  return report;
}

static void tell(const struct report *report, char result) {
  ssize_t written = write(report->ends[1], &result, 1);
  _exit(written == 1 ? 0 : 1);
}

static char await_report(struct report *report) {
  char result = '-';
  close(report->ends[1]);
  ssize_t received = read(report->ends[0], &result, 1);
  close(report->ends[0]);
  return received == 1 ? result : '-';
}

/* ---------------------------------------------------------------- parents that close */

static int append_later(void *list) {
  hf_value value;
  sleep_ms(50);
  return hf_list_append(list, hf_int(2)) == HF_OK && hf_list_get(list, 0, &value) == HF_OK &&
                 value.integer == 1
             ? 0
             : 1;
}

static void test_inherit_handles_that_the_parent_closes(void **state) {
  hf_list *list;
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  expect_ok(hf_list_append(list, hf_int(1)));
  pid_t child = child_start(append_later, list);
  hf_list_close(list);
  expect_ok(hf_ping(world.conn, NULL));
  assert_int_equal(child_end(child), 0);
  await_objects(0);
}

static int add_later(void *cell) {
  int64_t sum;
  sleep_ms(50);
  return hf_cell_add_int(cell, 1, &sum) == HF_OK && sum == 6 ? 0 : 1;
}

static void test_inherit_cells_that_the_parent_closes(void **state) {
  hf_cell *cell;
  (void)state;
  expect_ok(hf_cell_open(world.conn, NULL, 'q', hf_int(5), &cell));
  pid_t child = child_start(add_later, cell);
  hf_cell_close(cell);
  expect_ok(hf_ping(world.conn, NULL));
  assert_int_equal(child_end(child), 0);
}

static int open_later(void *reference) {
  hf_object *inner;
  sleep_ms(50);
  return hf_reference_open(world.conn, reference, &inner) == HF_OK &&
                 hf_list_append((hf_list *)inner, hf_int(1)) == HF_OK
             ? 0
             : 1;
}

/* To a list that only the value keeps. */
static hf_value pop_reference(void) {
  hf_list *list, *inner;
  hf_value value;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  expect_ok(hf_list_open(world.conn, NULL, &inner));
  expect_ok(hf_list_append(list, hf_reference(HF_AS_OBJECT(inner))));
  hf_list_close(inner);
  expect_ok(hf_list_pop(list, 0, &value));
  hf_list_close(list);
  return value;
}

static void test_inherit_references_of_items(void **state) {
  (void)state;
  hf_value value = pop_reference();
  pid_t child = child_start(open_later, &value);
  hf_value_clear(&value);
  expect_ok(hf_ping(world.conn, NULL));
  assert_int_equal(child_end(child), 0);
}

/* A value that can't be opened now stays one that can be opened. */
static int open_after_a_refusal(void *reference) {
  hf_async *async;
  hf_object *inner;
  if (hf_async_open(world.conn, &async) != HF_OK || hf_async_begin(async, NULL) != HF_OK ||
      hf_reference_open(world.conn, reference, &inner) == HF_OK) {
    return 2;
  }
  hf_async_end(async);
  hf_async_close(async);
  return open_later(reference);
}

static void test_inherit_references_that_are_refused_at_first(void **state) {
  (void)state;
  hf_value value = pop_reference();
  pid_t child = child_start(open_after_a_refusal, &value);
  assert_int_equal(child_end(child), 0);
  hf_value_clear(&value);
}

static int answer_and_close(void *argument) {
  hf_pipe **ends = argument;
  hf_value value;
  sleep_ms(50);
  hf_pipe_close(ends[0]);
  if (hf_pipe_recv(ends[1], 5000, &value) != HF_OK) {
    return 1;
  }
  return hf_pipe_send(ends[1], hf_int(value.integer + 1), 0) == HF_OK ? 0 : 2;
}

/* As multiprocessing's examples: each keeps one end. */
static void test_inherit_ends_of_pipes_that_each_closes_the_other_of(void **state) {
  hf_pipe *ends[2];
  hf_value value;
  (void)state;
  expect_ok(hf_pipe_new(world.conn, true, ends));
  pid_t child = child_start(answer_and_close, ends);
  hf_pipe_close(ends[1]);
  expect_ok(hf_pipe_send(ends[0], hf_int(41), 0));
  expect_ok(hf_pipe_recv(ends[0], 5000, &value));
  expect_equal(value, hf_int(42));
  assert_int_equal(child_end(child), 0);
  expect_fails(hf_pipe_recv(ends[0], 5000, &value), OUT_OF_RANGE, END_OF_FILE);
  hf_pipe_close(ends[0]);
}

static int sleep_shortly(void *unused) {
  (void)unused;
  sleep_ms(100);
  return 0;
}

static void test_inherit_a_child_without_a_call_keeps_nothing(void **state) {
  hf_pipe *ends[2];
  hf_list *list;
  hf_value value;
  (void)state;
  expect_ok(hf_pipe_new(world.conn, true, ends));
  expect_ok(hf_list_open(world.conn, NULL, &list));
  pid_t child = child_start(sleep_shortly, NULL);
  hf_pipe_close(ends[1]);
  hf_list_close(list);
  expect_fails(hf_pipe_recv(ends[0], 20, &value), DEADLINE_EXCEEDED, PIPE_EMPTY);
  expect_fails(hf_pipe_recv(ends[0], 5000, &value), OUT_OF_RANGE, END_OF_FILE);
  assert_int_equal(child_end(child), 0);
  hf_pipe_close(ends[0]);
  await_objects(0);
}

/* ---------------------------------------------------------------- parents that end */

struct family {
  struct report report;
  void (*end)(void);
  int generations; /* forks between the one that opens and the one that uses */
  bool closes_descriptors;
};

static void end_exit(void) {
  exit(0);
}

static void end_at_once(void) {
  _exit(0);
}

static void end_killed(void) {
  kill(getpid(), SIGKILL);
}

static void end_exec(void) {
  execl("/bin/sleep", "sleep", "1", NULL);
}

/* As daemons do; what comes to have their numbers is another's. */
static void replace_descriptors(const struct report *report, int *files, int count) {
  for (int fd = 3; fd < 200; fd++) {
    if (fd != report->ends[1]) {
      close(fd);
    }
  }
  for (int i = 0; i < count; i++) {
    files[i] = open("/dev/zero", O_RDWR | O_CLOEXEC);
  }
}

static bool are_untouched(const int *files, int count) {
  for (int i = 0; i < count; i++) {
    struct stat status;
    if (fstat(files[i], &status) != 0 || !S_ISCHR(status.st_mode)) {
      return false;
    }
  }
  return true;
}

static void use_what_is_left(const struct family *family, hf_list *list, hf_pipe *end) {
  enum { FILES = 20 };
  int files[FILES] = {0};
  hf_value value;
  sleep_ms(LATER_MS);
  if (family->closes_descriptors) {
    replace_descriptors(&family->report, files, FILES);
  }
  if (hf_list_get(list, 0, &value) != HF_OK || value.integer != 7) {
    tell(&family->report, 'l');
  }
  if (hf_pipe_recv(end, 0, &value) != HF_OK || value.integer != 8) {
    tell(&family->report, 'p');
  }
  bool is_whole = !family->closes_descriptors || are_untouched(files, FILES);
  tell(&family->report, is_whole ? '+' : 'd');
}

static int be_first(void *argument) {
  const struct family *family = argument;
  hf_conn *conn = child_connect(); /* its grace is GRACE_MS */
  hf_list *list;
  hf_pipe *ends[2];
  if (hf_list_open(conn, NULL, &list) != HF_OK || hf_pipe_new(conn, true, ends) != HF_OK ||
      hf_list_append(list, hf_int(7)) != HF_OK || hf_pipe_send(ends[0], hf_int(8), 0) != HF_OK) {
    return 1;
  }
  for (int i = 0; i < family->generations; i++) {
    if (fork() > 0) {
      family->end();
    }
  }
  use_what_is_left(family, list, ends[1]);
  return 0;
}

static char run_family(struct family family) {
  family.report = report_begin();
  pid_t first = child_start(be_first, &family);
  char result = await_report(&family.report);
  child_end(first);
  await_objects(0);
  return result;
}

static void test_inherit_from_parents_that_end_in_any_way(void **state) {
  static void (*const ends[])(void) = {end_exit, end_at_once, end_killed, end_exec};
  (void)state;
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    assert_int_equal(run_family((struct family){.end = ends[i], .generations = 1}), '+');
  }
}

static void test_inherit_through_several_forks_without_a_call(void **state) {
  (void)state;
  assert_int_equal(run_family((struct family){.end = end_at_once, .generations = 2}), '+');
  assert_int_equal(run_family((struct family){.end = end_killed, .generations = 3}), '+');
}

static void test_inherit_in_a_daemon_that_closed_all_descriptors(void **state) {
  (void)state;
  assert_int_equal(
      run_family((struct family){.end = end_at_once, .generations = 2, .closes_descriptors = true}),
      '+');
}

/* ---------------------------------------------------------------- descriptors */

static int count_descriptors(void) {
  DIR *directory = opendir("/proc/self/fd");
  int count = 0;
  if (directory == NULL) {
    return -1;
  }
  while (readdir(directory) != NULL) {
    count++;
  }
  closedir(directory);
  return count;
}

static int compare_descriptors(void *unused) {
  hf_list *list;
  int status, before = count_descriptors();
  hf_conn *conn = child_connect();
  (void)unused;
  if (hf_list_open(conn, NULL, &list) != HF_OK || count_descriptors() == before) {
    return 1;
  }
  pid_t child = fork();
  if (child == 0) {
    _exit(count_descriptors() == before ? 0 : 2);
  }
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

static void test_inherit_no_descriptor(void **state) {
  (void)state;
  assert_int_equal(child_end(child_start(compare_descriptors, NULL)), 0);
}

/* ---------------------------------------------------------------- many at once */

struct forker {
  pthread_t thread;
  unsigned seed;
  int failures;
};

static void *fork_and_close(void *argument) {
  struct forker *forker = argument;
  for (int i = 0; i < 8; i++) {
    hf_list *list;
    int status;
    if (hf_list_open(world.conn, NULL, &list) != HF_OK ||
        hf_list_append(list, hf_int(1)) != HF_OK) {
      forker->failures++;
      break;
    }
    pid_t child = fork();
    if (child == 0) {
      sleep_ms(rand_r(&forker->seed) % 20);
      _exit(hf_list_append(list, hf_int(2)) == HF_OK ? 0 : 1);
    }
    sleep_ms(rand_r(&forker->seed) % 3);
    hf_list_close(list);
    forker->failures += hf_ping(world.conn, NULL) != HF_OK;
    waitpid(child, &status, 0);
    forker->failures += status != 0;
  }
  return NULL;
}

static void test_inherit_by_forks_of_several_threads(void **state) {
  enum { THREADS = 4 };
  struct forker forkers[THREADS];
  (void)state;
  for (int i = 0; i < THREADS; i++) {
    forkers[i] = (struct forker){.seed = (unsigned)i + 1};
    assert_int_equal(pthread_create(&forkers[i].thread, NULL, fork_and_close, &forkers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(forkers[i].thread, NULL);
    assert_int_equal(forkers[i].failures, 0);
  }
  await_objects(0);
}

static void test_inherit_by_more_forks_than_the_window_has_room(void **state) {
  enum { FORKS = 600 };
  hf_list *list;
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  for (int i = 0; i < FORKS; i++) {
    pid_t child = fork();
    if (child == 0) {
      _exit(0);
    }
    assert_int_equal(child_end(child), 0);
  }
  expect_ok(hf_list_append(list, hf_int(1)));
  pid_t last = child_start(append_later, list);
  hf_list_close(list);
  assert_int_equal(child_end(last), 0);
}

static int do_nothing(void *unused) {
  (void)unused;
  return 0;
}

/* The child of a child without a call has the server's help, or none; it is not delayed. */
static int fork_twice(void *unused) {
  (void)unused;
  return child_end(child_start(do_nothing, NULL));
}

static void test_inherit_while_the_server_is_silent_takes_bounded_time(void **state) {
  hf_list *list;
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  server_stop();
  uint64_t began_ms = now_ms();
  int result = child_end(child_start(fork_twice, NULL));
  uint64_t took_ms = now_ms() - began_ms;
  server_continue();
  assert_int_equal(result, 0);
  assert_true(took_ms < 5000);
  hf_list_close(list);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_inherit_handles_that_the_parent_closes),
    cmocka_unit_test(test_inherit_cells_that_the_parent_closes),
    cmocka_unit_test(test_inherit_references_of_items),
    cmocka_unit_test(test_inherit_references_that_are_refused_at_first),
    cmocka_unit_test(test_inherit_ends_of_pipes_that_each_closes_the_other_of),
    cmocka_unit_test(test_inherit_a_child_without_a_call_keeps_nothing),
    cmocka_unit_test(test_inherit_from_parents_that_end_in_any_way),
    cmocka_unit_test(test_inherit_through_several_forks_without_a_call),
    cmocka_unit_test(test_inherit_in_a_daemon_that_closed_all_descriptors),
    cmocka_unit_test(test_inherit_no_descriptor),
    cmocka_unit_test(test_inherit_by_forks_of_several_threads),
    cmocka_unit_test(test_inherit_by_more_forks_than_the_window_has_room),
    cmocka_unit_test(test_inherit_while_the_server_is_silent_takes_bounded_time),
};

WORLD_MAIN("inherit", tests)
