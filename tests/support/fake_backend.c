#include "tests/support/fake_backend.h"

#include "proto/base/clock.h"
#include "server/journal/cell_tape.h"
#include "server/journal/journal.h"
#include "server/journal/record_reader.h"
#include "server/journal/sqlite_backend.h"
#include "tests/support/directory.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define SENTENCE "the backend has failed"

static char directory[DIRECTORY_PATH_BYTES];
struct fake_backend backend;
static uint64_t seed;

void sleep_us(uint64_t us) {
  nanosleep(&(struct timespec){(time_t)(us / 1000000), (long)(us % 1000000) * 1000}, NULL);
}

uint64_t ms_since(uint64_t start_ns) {
  return (clock_now_ns() - start_ns) / CLOCK_NS_PER_MS;
}

void demand(bool is_so, const char *what) {
  if (!is_so) {
    fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, what);
    abort();
  }
}

/* ---- the backend */

static uint64_t hash_of(struct bytes bytes) {
  uint64_t hash = 0;
  for (size_t i = 0; i < bytes.len; i++) {
    hash = hash * 31 + bytes.data[i];
  }
  return hash;
}

static void lose(enum journal_loss why) {
  backend.base.sink.lost(backend.base.sink.ctx, why, SENTENCE);
}

/* What is tried again has to be the same. */
static bool has_no_room(uint64_t index, struct bytes batch) {
  uint64_t full_at = atomic_load(&backend.full_at);
  bool is_full = full_at > 0 && index >= full_at;
  if (is_full || backend.attempts_when_full > 0) {
    uint64_t hash = hash_of(batch) + index;
    if (atomic_load(&backend.attempts_when_full) > 0) {
      demand(hash == backend.first_attempt_hash, "another batch is tried again");
    } else {
      backend.first_attempt_thread = pthread_self();
    }
    backend.first_attempt_hash = hash;
  }
  if (is_full) {
    atomic_fetch_add(&backend.attempts_when_full, 1);
    lose(JOURNAL_FULL);
  } else {
    atomic_store(&backend.attempts_when_full, 0);
  }
  return is_full;
}

static void keep(uint64_t index, struct bytes batch) {
  struct batch_header header;
  const char *why;
  struct batch_reader *reader = record_open(batch, &header, &why);
  demand(reader && header.index == index, "a batch is no batch");
  demand(index == backend.last + 1 && index <= BATCHES_MAX, "another batch is next");
  struct record record;
  while (record_next(reader, &record, &why)) {
    atomic_fetch_add(&backend.commands[index], !record.is_genesis);
  }
  demand(why == NULL, "a command is none");
  record_close(reader);
  backend.last = index;
}

static void append(struct journal_backend *base, uint64_t index, struct bytes batch) {
  backend.thread = pthread_self();
  if (backend.is_held) {
    sem_post(&backend.arrived);
    sem_wait(&backend.go_on);
  }
  if (backend.delay_us_max > 0) {
    sleep_us(random_below(&backend.random, backend.delay_us_max));
  }
  if (index == backend.fails_at) {
    lose(JOURNAL_BROKEN);
  } else if (!has_no_room(index, batch)) {
    keep(index, batch);
    atomic_store(&backend.committed, index);
    base->sink.committed(base->sink.ctx, index);
  }
}

static bool replay(struct journal_backend *base, uint64_t from) {
  (void)base;
  return from == 0;
}

static bool cut(struct journal_backend *base) {
  (void)base;
  demand(false, "no snapshot is due");
  return false;
}

static bool truncate_below(struct journal_backend *base, uint64_t below) {
  (void)base;
  (void)below;
  atomic_fetch_add(&backend.truncations, 1);
  return true;
}

static uint64_t bytes(const struct journal_backend *base) {
  (void)base;
  return BACKEND_BYTES;
}

static void close_backend(struct journal_backend *base) {
  (void)base;
  backend.is_closed = true;
}

struct journal_backend *sqlite_backend_open(const struct sqlite_options *options,
                                            const struct journal_sink *sink) {
  static const struct journal_ops ops = {replay, append, cut, truncate_below, bytes, close_backend};
  assert_string_equal(options->directory, directory);
  backend.base = (struct journal_backend){&ops, *sink};
  return &backend.base;
}

bool sqlite_backend_sync(struct journal_backend *base) {
  (void)base;
  if (backend.fails_to_sync) {
    lose(JOURNAL_BROKEN);
    return false;
  }
  atomic_store(&backend.synced, backend.last);
  atomic_fetch_add(&backend.syncs, 1);
  return true;
}

bool sqlite_backend_drop_behind(struct journal_backend *base, uint64_t index) {
  (void)base;
  fail_msg("nothing is damaged behind %llu", (unsigned long long)index);
  return false;
}

uint64_t sqlite_backend_p99_ns(const struct journal_backend *base) {
  (void)base;
  return P99_NS;
}

/* ---- the host */

struct fake_host host;

static void note_committed(void *ctx, uint64_t through) {
  (void)ctx;
  demand(through > atomic_load(&host.committed), "committed is called out of order");
  demand(through <= atomic_load(&backend.committed), "a batch is released, and not committed");
  atomic_store(&host.committed, through);
  atomic_fetch_add(&host.calls, 1);
  sleep_us(atomic_load(&host.delay_us));
}

static void note_lost(void *ctx, const char *sentence) {
  (void)ctx;
  demand(strcmp(sentence, SENTENCE) == 0, sentence);
  atomic_fetch_add(&host.losses, 1);
}

static bool is_awaited(void *ctx) {
  (void)ctx;
  return false;
}

static void note_disk(void *ctx, bool is_full) {
  (void)ctx;
  atomic_fetch_add(is_full ? &host.full : &host.room, 1);
}

static void ignore_guard(void *ctx, bool is_on) {
  (void)ctx;
  (void)is_on;
}

/* ---- the journal, as dispatch has it */

static struct journal *journal;
const struct command_log *command_log;
static struct engine *engine;
static struct cell_tape cells;
pthread_mutex_t engine_mutex = PTHREAD_MUTEX_INITIALIZER;
uint32_t appended[BATCHES_MAX + 1];
uint64_t newest;

void fake_journal_begin(uint64_t journal_seed, struct fsync_setting fsync) {
  static const struct journal_host callbacks = {.committed = note_committed,
                                                .is_awaited = is_awaited,
                                                .lost = note_lost,
                                                .disk = note_disk,
                                                .guard = ignore_guard};
  const struct journal_settings settings = {.directory = directory,
                                            .fsync = fsync,
                                            .cells = &cells,
                                            .memory_bytes_max = 64u << 20,
                                            .program = "/nowhere"};
  struct recovered recovered;
  char error[RECOVERY_ERROR_BYTES];
  seed = journal_seed;
  memset(&backend, 0, sizeof backend);
  memset(&host, 0, sizeof host);
  memset(appended, 0, sizeof appended);
  newest = 0;
  backend.random = (struct random){seed};
  directory_make(directory);
  cell_tape_init(&cells);
  sem_init(&backend.arrived, 0, 0);
  sem_init(&backend.go_on, 0, 0);
  journal = journal_open(&settings, NULL, &recovered, error);
  assert_non_null(journal);
  engine = recovered.engine;
  command_log = journal_log(journal);
  assert_true(journal_start(journal, engine, &callbacks));
}

uint64_t append_commands(size_t count, size_t body_bytes) {
  static uint8_t body[BODY_BYTES];
  pthread_mutex_lock(&engine_mutex);
  uint64_t index = command_log->begin(command_log->ctx);
  for (size_t i = 0; i < count; i++) {
    struct engine_request request = {.connection = 1, .body = bytes_of(body, body_bytes)};
    const struct command command = {
        .kind = COMMAND_REQUEST, .now_ns = clock_now_ns(), .request = &request};
    command_log->append(command_log->ctx, &command);
  }
  demand(index >= newest && index <= BATCHES_MAX, "commands are out of order");
  appended[index] += (uint32_t)count;
  newest = count > 0 ? index : newest;
  command_log->end(command_log->ctx);
  pthread_mutex_unlock(&engine_mutex);
  return index;
}

struct reply_journal fake_journal_report(void) {
  struct reply_journal state;
  pthread_mutex_lock(&engine_mutex);
  command_log->report(command_log->ctx, &state);
  pthread_mutex_unlock(&engine_mutex);
  return state;
}

void await_number(const char *what, const _Atomic uint64_t *number, uint64_t least) {
  uint64_t start_ns = clock_now_ns();
  while (atomic_load(number) < least) {
    if (ms_since(start_ns) > LATE_MS) {
      fail_msg("%s: %llu, not %llu", what, (unsigned long long)atomic_load(number),
               (unsigned long long)least);
    }
    sleep_us(200);
  }
}

static bool is_asleep(const char *thread) {
  char path[64], line[256] = "";
  snprintf(path, sizeof path, "/proc/self/task/%.16s/stat", thread);
  FILE *stat = fopen(path, "r");
  if (stat) {
    (void)!fgets(line, sizeof line, stat);
    fclose(stat);
  }
  const char *name_end = strrchr(line, ')');
  return !name_end || name_end[2] == 'S'; /* no line: it has ended */
}

static bool are_others_asleep(void) {
  DIR *threads = opendir("/proc/self/task");
  demand(threads != NULL, "/proc can't be read");
  bool are_asleep = true;
  const struct dirent *entry;
  while (are_asleep && (entry = readdir(threads))) {
    bool is_other = entry->d_name[0] != '.' && atol(entry->d_name) != (long)syscall(SYS_gettid);
    are_asleep = !is_other || is_asleep(entry->d_name);
  }
  closedir(threads);
  return are_asleep;
}

void await_idle(void) {
  uint64_t start_ns = clock_now_ns();
  for (unsigned times = 0; times < 3; times = are_others_asleep() ? times + 1 : 0) {
    if (ms_since(start_ns) > LATE_MS) {
      fail_msg("the journal's threads are busy");
    }
    sleep_us(500);
  }
}

uint64_t fake_journal_close(void) {
  uint64_t start_ns = clock_now_ns();
  journal_close(journal);
  engine_free(engine);
  cell_tape_deinit(&cells);
  directory_remove(directory); /* with the snapshot that is made at the end */
  assert_true(backend.is_closed);
  return ms_since(start_ns);
}

void expect_all_committed(void) {
  assert_int_equal(backend.last, newest);
  assert_int_equal(host.committed, newest);
  assert_int_equal(host.losses, 0);
  for (uint64_t index = 1; index <= newest; index++) {
    assert_int_equal(backend.commands[index], appended[index]);
  }
}
