/* Honest clients fill the server's memory over many connections, delete a part, fill again, and
 * delete all: resident memory stays near the limit, and comes back.
 *
 * arguments  [SEED [CONNECTIONS [MEGABYTES]]]; by hand: 200 connections, 1024 MB
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/attacker.h"
#include "tests/support/daemon.h"
#include "tests/support/random.h"

#include <holdfast/holdfast.h>

#define CONNECTIONS_MAX 1000
#define THREADS 4
#define ROUNDS 3
#define MB (UINT64_C(1) << 20)
/* Beyond what --memory-max counts: a quarter for what malloc can't use, and the server itself. */
#define SPARE_BYTES (256 * MB)
#define LEFT_BYTES_MAX (100 * MB)
#define SETTLE_MS 20000
#define VALUE_BYTES_MAX 65536

static uint64_t seed;
static int connections_count = 40, megabytes = 128;
static struct daemon server;

struct client {
  hf_conn *conn;
  hf_dict *dict;
  uint64_t first_key, next_key; /* keys that were set and not deleted, but for some between */
};

static struct client clients[CONNECTIONS_MAX];

/* Small, middle and large values, as often. */
static size_t value_bytes(struct random *random) {
  static const size_t sizes[] = {16, 1024, VALUE_BYTES_MAX};
  return 1 + (size_t)random_below(random, sizes[random_below(random, 3)]);
}

static bool is_full(hf_status status) {
  return status == HF_RESOURCE_EXHAUSTED && strcmp(hf_last_error()->reason, "MEMORY_FULL") == 0;
}

/* Its clients are every THREADS-th, from `first`. */
struct filler {
  pthread_t thread;
  struct random random;
  int first;
  uint64_t sets_count;
};

static void *fill(void *arg) {
  static const char bytes[VALUE_BYTES_MAX];
  struct filler *filler = arg;
  hf_status status = HF_OK;
  for (int i = filler->first; status == HF_OK; i = (i + THREADS) % connections_count) {
    struct client *client = &clients[i];
    status = hf_dict_set(client->dict, hf_int((int64_t)client->next_key),
                         hf_bytes(bytes, value_bytes(&filler->random)));
    client->next_key += status == HF_OK;
    filler->sets_count += status == HF_OK;
  }
  return is_full(status) ? arg : NULL;
}

static uint64_t fill_all(uint64_t round) {
  struct filler fillers[THREADS];
  uint64_t sets_count = 0;
  for (int i = 0; i < THREADS; i++) {
    fillers[i] = (struct filler){.random = {seed + round * THREADS + (uint64_t)i}, .first = i};
    assert_int_equal(pthread_create(&fillers[i].thread, NULL, fill, &fillers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    void *was_full;
    pthread_join(fillers[i].thread, &was_full);
    assert_non_null(was_full);
    sets_count += fillers[i].sets_count;
  }
  return sets_count;
}

/* Every other entry, so that holes are left everywhere. */
static void delete_half(void) {
  for (int i = 0; i < connections_count; i++) {
    for (uint64_t key = clients[i].first_key; key < clients[i].next_key; key += 2) {
      hf_status status = hf_dict_delete(clients[i].dict, hf_int((int64_t)key));
      assert_true(status == HF_OK || status == HF_NOT_FOUND);
    }
  }
}

static void expect_within_limit(const char *when) {
  uint64_t resident_bytes = daemon_resident_bytes(&server);
  uint64_t max_bytes = (uint64_t)megabytes * MB * 5 / 4 + SPARE_BYTES;
  print_message("  %s: resident %llu MB\n", when, (unsigned long long)(resident_bytes / MB));
  assert_true(resident_bytes <= max_bytes);
}

static void open_dicts(void) {
  for (int i = 0; i < connections_count; i++) {
    char name[32];
    snprintf(name, sizeof name, "d%d", i);
    assert_int_equal(hf_dict_open(clients[i].conn, name, &clients[i].dict), HF_OK);
    clients[i].first_key = clients[i].next_key = 0;
  }
}

static void delete_all(void) {
  for (int i = 0; i < connections_count; i++) {
    assert_int_equal(hf_object_delete(HF_AS_OBJECT(clients[i].dict)), HF_OK);
    hf_dict_close(clients[i].dict);
  }
}

/* Once all is deleted. */
static void expect_given_back(uint64_t empty_bytes) {
  struct hf_server_info info;
  uint64_t left_bytes;
  int64_t deadline_ms = attacker_now_ms() + SETTLE_MS;
  do {
    usleep(20000);
    uint64_t resident_bytes = daemon_resident_bytes(&server);
    left_bytes = resident_bytes > empty_bytes ? resident_bytes - empty_bytes : 0;
    assert_int_equal(hf_server_info(clients[0].conn, &info), HF_OK);
  } while ((left_bytes > LEFT_BYTES_MAX || info.memory_bytes > MB) &&
           attacker_now_ms() < deadline_ms);
  print_message("  all deleted: resident %llu MB more than an empty server, %llu KB counted\n",
                (unsigned long long)(left_bytes / MB),
                (unsigned long long)(info.memory_bytes / 1024));
  assert_true(left_bytes <= LEFT_BYTES_MAX);
  assert_true(info.memory_bytes <= MB);
  for (size_t i = 0; i < info.memory_count; i++) {
    bool is_of_clients =
        strcmp(info.memory[i].name, "sessions") == 0 || strcmp(info.memory[i].name, "windows") == 0;
    assert_true(is_of_clients || info.memory[i].bytes < 64 * 1024);
  }
}

static void test_memory_stays_near_its_limit_and_comes_back(void **state) {
  (void)state;
  char max[32];
  const char *const arguments[] = {"--memory-max", max, NULL};
  snprintf(max, sizeof max, "%dM", megabytes);
  daemon_start(&server, arguments);
  for (int i = 0; i < connections_count; i++) {
    assert_int_equal(hf_connect(server.tcp_url, NULL, &clients[i].conn), HF_OK);
    uint64_t round_trip_ns;
    assert_int_equal(hf_ping(clients[i].conn, &round_trip_ns), HF_OK);
  }
  uint64_t empty_bytes = daemon_resident_bytes(&server);
  for (uint64_t round = 0; round < ROUNDS; round++) {
    open_dicts();
    uint64_t sets_count = fill_all(2 * round);
    print_message("round %llu, %d connections: %llu values are %d MB\n", (unsigned long long)round,
                  connections_count, (unsigned long long)sets_count, megabytes);
    expect_within_limit("filled");
    delete_half();
    fill_all(2 * round + 1);
    expect_within_limit("half deleted, and filled again");
    delete_all();
    expect_given_back(empty_bytes);
  }
  for (int i = 0; i < connections_count; i++) {
    hf_close(clients[i].conn);
  }
  daemon_stop(&server);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_memory_stays_near_its_limit_and_comes_back),
  };
  seed = random_seed(argc, argv);
  connections_count = argc > 2 ? atoi(argv[2]) : connections_count;
  megabytes = argc > 3 ? atoi(argv[3]) : megabytes;
  if (connections_count < THREADS || connections_count > CONNECTIONS_MAX ||
      connections_count % THREADS != 0) {
    fprintf(stderr, "%d to %d connections, a multiple of %d\n", THREADS, CONNECTIONS_MAX, THREADS);
    return 2;
  }
  return cmocka_run_group_tests_name("fault.refill", tests, NULL, NULL);
}
