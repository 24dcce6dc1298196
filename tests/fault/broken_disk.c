/* See broken_disk.h. */
#include "tests/fault/broken_disk.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/failing_files.h"

#define EXIT_BROKEN 74 /* JOURNAL_EXIT */
#define CALLS_MAX 400  /* some hundred commits */
#define END_MS 20000
#define ATTEMPTS 20
#define LOG_BYTES 65536

static struct failing_files *files;
static char memory_path[32] = "/tmp/holdfast-failing-XXXXXX",
            log_path[32] = "/tmp/holdfast-log-XXXXXX";
static unsigned failures[FAILING_CALLS], in_snapshots, while_loading;

/* Which files failed. */
static struct {
  const char *part, *name;
  unsigned count;
} kinds[] = {{"-wal", "the log of a part"}, {"-shm", "its index"},
             {".sqlite", "a part"},         {"acknowledged", "the last number"},
             {"snapshot-", "a snapshot"},   {"", "the directory"}};

static void remove_files(void) {
  unlink(memory_path);
  unlink(log_path);
}

static void make_memory(void) {
  int fd = mkstemp(memory_path);
  assert_true(fd >= 0 && ftruncate(fd, sizeof *files) == 0);
  files = mmap(NULL, sizeof *files, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  assert_ptr_not_equal(files, MAP_FAILED);
  close(fd);
}

void broken_disk_prepare(const char *directory) {
  const char *options = getenv("ASAN_OPTIONS");
  char order[256];
  if (files != NULL) { /* for another server */
    snprintf(files->directory, sizeof files->directory, "%s", directory);
    return;
  }
  make_memory();
  snprintf(files->directory, sizeof files->directory, "%s", directory);
  int fd = mkstemp(log_path);
  assert_true(fd >= 0);
  close(fd);
  atexit(remove_files);
  daemon_log_to(log_path);
  setenv(FAILING_FILES_VARIABLE, memory_path, 1);
  setenv("LD_PRELOAD", FAILING_FILES, 1);
  snprintf(order, sizeof order, "%s:verify_asan_link_order=0", options ? options : "");
  setenv("ASAN_OPTIONS", order, 1);
}

static bool log_has(const char *words) {
  static char text[LOG_BYTES];
  int fd = open(log_path, O_RDONLY | O_CLOEXEC);
  ssize_t len = read(fd, text, sizeof text - 1);
  close(fd);
  text[len > 0 ? len : 0] = '\0';
  return strstr(text, words) != NULL;
}

static void count_failure(void) {
  size_t i = 0;
  while (strstr(files->path + strlen(files->directory), kinds[i].part) == NULL) {
    i++;
  }
  kinds[i].count++;
  failures[atomic_load(&files->call)]++;
}

/* One of a server that loads is reported as what prevents that. */
static void expect_end(int status) {
  bool is_said = log_has("nothing can be made durable any more, ending reason=");
  if (status == EXIT_FAILURE && log_has("can't load the state reason=")) {
    while_loading++;
  } else if (status != EXIT_BROKEN || !is_said) {
    fail_msg("a call of %s fails: exit status %d, and %s", files->path, status,
             is_said ? "the log says so" : "the log does not say so");
  }
}

/* Whether the server has ended. */
static bool fail_once(struct daemon *server, struct random *random) {
  int status = -1;
  bool is_soon = random_below(random, 3) == 0;
  assert_int_equal(truncate(log_path, 0), 0);
  atomic_store(&files->process, 0);
  atomic_store(&files->is_torn, random_below(random, 2) == 0);
  atomic_store(&files->left, 1 + (long long)random_below(random, is_soon ? 20 : CALLS_MAX));
  for (int waited_ms = 0; atomic_load(&files->process) == 0; waited_ms++) {
    if (waited_ms > END_MS) {
      fail_msg("the server has written nothing");
    }
    usleep(1000);
  }
  count_failure();
  if (atomic_load(&files->process) != server->pid) {
    in_snapshots++;
    return false;
  }
  if (!daemon_wait(server, END_MS, &status)) {
    fail_msg("a call of %s fails, and the server goes on", files->path);
  }
  expect_end(status);
  return true;
}

void broken_disk_end(struct daemon *server, struct random *random) {
  int attempts = 0;
  while (!fail_once(server, random)) {
    assert_true(++attempts < ATTEMPTS);
  }
  atomic_store(&files->process, 0);
}

void broken_disk_hang(unsigned each, unsigned us) {
  atomic_store(&files->hang_us, us);
  atomic_store(&files->hangs_each, each);
}

unsigned broken_disk_hangs(void) {
  return (unsigned)atomic_load(&files->hangs);
}

void broken_disk_print(void) {
  print_message("EIO of %u writes, %u syncs:", failures[FAILING_WRITE], failures[FAILING_SYNC]);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    print_message(" %s %u,", kinds[i].name, kinds[i].count);
  }
  print_message(
      " of %llu calls; %u in the process that makes snapshots, %u while loading; %llu calls "
      "after a failure\n",
      atomic_load(&files->calls), in_snapshots, while_loading, atomic_load(&files->dropped));
}
