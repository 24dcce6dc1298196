/* What a server writes over and over does not grow on its disk: clients overwrite the same keys for a while, and all
 * files below --data, unfinished ones included, are summed up again and again.
 *
 *   bound = 3 * state + 2 * least + 16 MiB
 *
 *   state  the largest snapshot that was seen. Three times: the newest one, the next one that is being written
 *          beside it; half of one in the journal, which makes a snapshot due, and as much until commits slow down
 *   least  --snapshot-min, in the place of these two halves if the state is smaller
 *   16 MiB the write-ahead log, which sqlite keeps to be written again, and what is committed slowly
 *
 * usage: bounded [--seconds N] [--least MIB] [SEED]
 */
#include <dirent.h>
#include <getopt.h>
#include <holdfast/holdfast.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/attacker.h"
#include "tests/fault/crowd.h"
#include "tests/support/daemon.h"
#include "tests/support/random.h"

#define SECONDS 20
#define LEAST_MIB 4
#define LOG_BYTES (UINT64_C(16) << 20)
#define CLIENTS 8
#define KEYS 4000
#define VALUE_BYTES_MAX 2000
#define PIPELINE 16
#define SAMPLE_MS 100
#define LONG_MS 60000
#define IDLE_MS 5000

static uint64_t seconds = SECONDS, least_mib = LEAST_MIB, seed;
static char data[] = "/tmp/holdfast-data-XXXXXX", least[16];
static const char *const arguments[] = {"--data", data, "--snapshot-min", least, NULL};
static struct daemon server;

/* In memory of all processes. */
static struct board {
  atomic_bool stop;
  atomic_ullong changes, bytes;
} * board;

/* ---------------------------------------------------------------- clients */

static bool overwrite(hf_conn *conn, hf_dict *dict, struct random *random) {
  static const char bytes[VALUE_BYTES_MAX];
  uint64_t written = 0;
  if (hf_pipeline_begin(conn, 0) != HF_OK) {
    return false;
  }
  for (int i = 0; i < PIPELINE; i++) {
    size_t len = 1 + random_below(random, VALUE_BYTES_MAX);
    hf_kept(hf_dict_set(dict, hf_int((int64_t)random_below(random, KEYS)), hf_bytes(bytes, len)));
    written += len;
  }
  atomic_fetch_add(&board->changes, PIPELINE);
  atomic_fetch_add(&board->bytes, written);
  return hf_pipeline_end(conn, NULL) == HF_OK;
}

static int run_client(const char *url, int idx, void *arg) {
  struct random random = {seed + 7919 * (uint64_t)(idx + 1)};
  hf_conn *conn = crowd_connect(url, LONG_MS, LONG_MS);
  hf_dict *dict;
  (void)arg;
  if (hf_dict_open(conn, "work", &dict) != HF_OK) {
    return crowd_fail("open", idx);
  }
  while (!atomic_load(&board->stop)) {
    if (!overwrite(conn, dict, &random)) {
      return crowd_fail("overwrite", idx);
    }
  }
  hf_dict_close(dict);
  hf_close(conn);
  return CROWD_DONE;
}

/* ---------------------------------------------------------------- the directory */

struct sample {
  uint64_t bytes, snapshot_bytes,
      journal_bytes; /* all; the newest snapshot; parts with their logs */
};

static bool begins_with(const char *name, const char *prefix) {
  return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* A file that was removed meanwhile counts nothing. Sizes are of blocks, as du's. */
static struct sample sum_up(void) {
  struct sample sample = {0};
  DIR *directory = opendir(data);
  assert_non_null(directory);
  for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    char path[512];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", data, entry->d_name);
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode)) {
      continue;
    }
    uint64_t bytes = (uint64_t)status.st_blocks * 512;
    sample.bytes += bytes;
    sample.journal_bytes += begins_with(entry->d_name, "journal-") ? bytes : 0;
    if (begins_with(entry->d_name, "snapshot-") && strstr(entry->d_name, ".new") == NULL) {
      sample.snapshot_bytes = bytes > sample.snapshot_bytes ? bytes : sample.snapshot_bytes;
    }
  }
  closedir(directory);
  return sample;
}

static void keep_largest(struct sample *largest, const struct sample *now) {
  largest->bytes = now->bytes > largest->bytes ? now->bytes : largest->bytes;
  largest->snapshot_bytes =
      now->snapshot_bytes > largest->snapshot_bytes ? now->snapshot_bytes : largest->snapshot_bytes;
  largest->journal_bytes =
      now->journal_bytes > largest->journal_bytes ? now->journal_bytes : largest->journal_bytes;
}

static uint64_t bound_of(const struct sample *largest) {
  return 3 * largest->snapshot_bytes + 2 * (least_mib << 20) + LOG_BYTES;
}

/* ---------------------------------------------------------------- the test */

static struct hf_journal_info read_journal(hf_conn *conn) {
  struct hf_server_info info;
  crowd_expect_ok(hf_server_info(conn, &info), "server info");
  return info.journal;
}

static void watch(hf_conn *conn, struct sample *largest) {
  uint64_t samples = 0, snapshots = 0, newest = 0;
  int64_t begun_ms = attacker_now_ms();
  while (attacker_now_ms() - begun_ms < (int64_t)seconds * 1000) {
    usleep(SAMPLE_MS * 1000);
    struct sample now = sum_up();
    keep_largest(largest, &now);
    samples++;
    uint64_t index = read_journal(conn).snapshot_index;
    snapshots += index != newest;
    newest = index;
  }
  print_message(
      "%llu changes of %llu MiB in %llu s, %llu snapshots; %llu samples: at most %llu KiB, "
      "journal %llu KiB, snapshot %llu KiB; the bound is %llu KiB\n",
      atomic_load(&board->changes), atomic_load(&board->bytes) >> 20, (unsigned long long)seconds,
      (unsigned long long)snapshots, (unsigned long long)samples,
      (unsigned long long)largest->bytes >> 10, (unsigned long long)largest->journal_bytes >> 10,
      (unsigned long long)largest->snapshot_bytes >> 10,
      (unsigned long long)bound_of(largest) >> 10);
  assert_true(snapshots >= 2);
  assert_true(largest->bytes <= bound_of(largest));
}

/* A snapshot of a server without traffic leaves the snapshot and an empty part. */
static void expect_idle_server_is_small(hf_conn *conn) {
  int64_t begun_ms = attacker_now_ms();
  uint64_t committed = read_journal(conn).committed;
  crowd_expect_ok(hf_server_snapshot(conn), "snapshot");
  struct sample now;
  do {
    usleep(SAMPLE_MS * 1000);
    now = sum_up();
    if (attacker_now_ms() - begun_ms > IDLE_MS) {
      fail_msg("idle: %llu bytes of journal", (unsigned long long)now.journal_bytes);
    }
  } while (read_journal(conn).snapshot_index < committed || now.journal_bytes > 256 * 1024);
  print_message("idle: %llu KiB of journal, %llu KiB in all\n",
                (unsigned long long)now.journal_bytes >> 10, (unsigned long long)now.bytes >> 10);
}

static void test_a_disk_that_is_written_over_and_over(void **state) {
  pid_t pids[CLIENTS];
  struct sample largest = {0};
  hf_conn *conn;
  (void)state;
  crowd_expect_ok(hf_connect(server.ipc_url, NULL, &conn), "connect");
  for (int idx = 0; idx < CLIENTS; idx++) {
    pids[idx] = crowd_start(run_client, server.ipc_url, idx, NULL);
  }
  watch(conn, &largest);
  atomic_store(&board->stop, true);
  for (int idx = 0; idx < CLIENTS; idx++) {
    assert_int_equal(crowd_wait(pids[idx], LONG_MS), CROWD_DONE);
  }
  expect_idle_server_is_small(conn);
  hf_close(conn);
}

static int set_up(void **state) {
  (void)state;
  board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (board == MAP_FAILED || mkdtemp(data) == NULL) {
    return -1;
  }
  snprintf(least, sizeof least, "%lluM", (unsigned long long)least_mib);
  daemon_start(&server, arguments);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  daemon_stop(&server);
  daemon_remove_data(data);
  return 0;
}

int main(int argc, char **argv) {
  static const struct option known[] = {
      {"seconds", required_argument, NULL, 's'}, {"least", required_argument, NULL, 'l'}, {0}};
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_disk_that_is_written_over_and_over)};
  for (int letter; (letter = getopt_long(argc, argv, "", known, NULL)) != -1;) {
    if (letter == '?') {
      fprintf(stderr, "see the head of tests/fault/bounded.c\n");
      return 2;
    }
    *(letter == 's' ? &seconds : &least_mib) = strtoull(optarg, NULL, 10);
  }
  seed = random_seed(argc - optind + 1, argv + optind - 1);
  return cmocka_run_group_tests_name("fault.bounded", tests, set_up, tear_down);
}
