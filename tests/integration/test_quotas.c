/* What a client reads whose user has used up a quota, and what it feels whose user is too fast.
 *
 *   test_quotas tcp      or tls, ipc, local
 *
 * Each test has a server of its own, whose user `tester` is this process's uid, or its key.
 */
#include "tests/integration/world.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#define REFUSED_COUNT 50

static char config_path[] = "/tmp/holdfast-quotas-XXXXXX";

/* A server with that line in the user's section, and a connection. */
static void begin(const char *quota) {
  FILE *config = fopen(config_path, "we");
  assert_non_null(config);
  bool has_key = strcmp(world.path, "tls") == 0;
  fprintf(config, "[user tester]\n%suid = %u\nrights = :rwc\n%s\n", has_key ? "key = yes\n" : "",
          (unsigned)getuid(), quota);
  fclose(config);
  daemon_start(&world.daemon, (const char *const[]){"--config", config_path, NULL});
  world.conn = connect_again(0);
}

static void end(void) {
  hf_close(world.conn);
  daemon_stop(&world.daemon);
}

/* The last call failed with exactly this sentence. */
static void expect_sentence(const char *sentence) {
  assert_string_equal(hf_last_error()->message, sentence);
}

static void test_quotas_of_objects(void **state) {
  hf_dict *dicts[2];
  (void)state;
  begin("objects_max = 1");
  expect_ok(hf_dict_open(world.conn, "one", &dicts[0]));
  expect_fails(hf_dict_open(world.conn, "two", &dicts[1]), RESOURCE_EXHAUSTED, QUOTA_OBJECTS);
  expect_sentence("user \"tester\" uses 1 of 1 objects");
  hf_dict_close(dicts[0]);
  end();
}

static void test_quotas_of_memory(void **state) {
  hf_list *list;
  static char bytes[64 << 10];
  hf_status status = HF_OK;
  (void)state;
  begin("memory_max = 2M");
  expect_ok(hf_list_open(world.conn, "list", &list));
  size_t stored = 0;
  while ((status = hf_list_append(list, hf_bytes(bytes, sizeof bytes))) == HF_OK) {
    stored++;
  }
  assert_int_equal(status, HF_RESOURCE_EXHAUSTED);
  assert_string_equal(hf_last_error()->reason, "QUOTA_MEMORY");
  assert_in_range(stored, 20, 32);
  char sentence[80];
  unsigned tenths;
  assert_int_equal(sscanf(hf_last_error()->message, "user \"tester\" uses 1.%u", &tenths), 1);
  snprintf(sentence, sizeof sentence, "user \"tester\" uses 1.%u MiB of 2.0 MiB", tenths);
  expect_sentence(sentence);
  hf_list_close(list);
  end();
}

static void test_quotas_of_sessions(void **state) {
  hf_conn *conn;
  (void)state;
  begin("sessions_max = 1");
  expect_fails(hf_connect(world.url, NULL, &conn), RESOURCE_EXHAUSTED, QUOTA_SESSIONS);
  expect_sentence("user \"tester\" uses 1 of 1 sessions");
  end();
}

static int wait_for_item(void *arg) {
  hf_conn *conn = child_connect();
  hf_queue *queue;
  hf_value item;
  (void)arg;
  if (hf_queue_open(conn, "empty", 0, &queue) != HF_OK) {
    return 1;
  }
  return hf_queue_get(queue, 10000, &item) == HF_OK ? 0 : 2;
}

static void test_quotas_of_waiting_requests(void **state) {
  hf_queue *queue;
  hf_value item;
  (void)state;
  begin("waiting_max = 1");
  expect_ok(hf_queue_open(world.conn, "empty", 0, &queue));
  pid_t child = child_start(wait_for_item, NULL);
  await_waiting(1);
  expect_fails(hf_queue_get(queue, 1000, &item), RESOURCE_EXHAUSTED, QUOTA_WAITING);
  expect_sentence("user \"tester\" uses 1 of 1 waiting requests");
  expect_ok(hf_queue_put(queue, hf_int(1), 0));
  assert_int_equal(child_end(child), 0);
  hf_queue_close(queue);
  end();
}

static size_t descriptors_of_server(void) {
  char path[32];
  size_t count = 0;
  snprintf(path, sizeof path, "/proc/%d/fd", (int)world.daemon.pid);
  DIR *dir = opendir(path);
  assert_non_null(dir);
  while (readdir(dir) != NULL) { /* NOLINT(concurrency-mt-unsafe): one thread */
    count++;
  }
  closedir(dir);
  return count;
}

/* Refused ones end at once, although their clients would keep them. */
static void test_quotas_of_connections(void **state) {
  hf_conn *conns[REFUSED_COUNT];
  (void)state;
  begin("connections_max = 1");
  sleep_ms(100);
  size_t before = descriptors_of_server();
  for (size_t i = 0; i < REFUSED_COUNT; i++) {
    expect_fails(hf_connect(world.url, NULL, &conns[i]), RESOURCE_EXHAUSTED, QUOTA_CONNECTIONS);
    expect_sentence("user \"tester\" uses 1 of 1 connections");
  }
  uint64_t until_ms = now_ms() + 5000;
  while (descriptors_of_server() > before) {
    assert_true(now_ms() < until_ms);
    sleep_ms(10);
  }
  expect_ok(hf_ping(world.conn, NULL));
  hf_close(world.conn);
  for (hf_status status = HF_RESOURCE_EXHAUSTED; status != HF_OK; sleep_ms(10)) {
    status = hf_connect(world.url, NULL, &world.conn); /* when the first is gone */
    assert_true(now_ms() < until_ms);
  }
  expect_ok(hf_ping(world.conn, NULL));
  end();
}

/* Calls are slower instead of refused: what the user may do in a second at once, the rest at its rate. */
static void expect_pace(size_t rate, size_t calls, uint64_t began_ms) {
  const uint64_t least_ms = (calls - rate) * 1000 / rate;
  uint64_t took_ms = now_ms() - began_ms;
  print_message("  %zu calls at %zu a second: %llu ms\n", calls, rate, (unsigned long long)took_ms);
  /* A tenth of a second ahead; the call that opened the session counts. */
  assert_in_range(took_ms, least_ms - 110, least_ms + 3000);
}

static void test_quotas_of_rate_slow_calls_down(void **state) {
  enum { RATE = 200, CALLS = 400 };
  (void)state;
  begin("requests_per_s = 200");
  uint64_t began_ms = now_ms();
  for (size_t i = 0; i < CALLS; i++) {
    expect_ok(hf_ping(world.conn, NULL));
  }
  expect_pace(RATE, CALLS, began_ms);
  end();
}

static void test_quotas_of_rate_slow_pipelines_down(void **state) {
  enum { RATE = 2000, CALLS = 4000 };
  struct hf_pipeline_result result;
  (void)state;
  begin("requests_per_s = 2000");
  uint64_t began_ms = now_ms();
  expect_ok(hf_pipeline_begin(world.conn, 64));
  for (size_t i = 0; i < CALLS; i++) {
    expect_ok(hf_ping(world.conn, NULL));
  }
  expect_ok(hf_pipeline_end(world.conn, &result));
  expect_pace(RATE, CALLS, began_ms);
  end();
}

/* The connection that sends them is not read from: none is dropped. */
static void test_quotas_of_rate_slow_one_way_calls_down(void **state) {
  enum { RATE = 2000, CALLS = 4000 };
  struct hf_flush_result result;
  hf_list *list;
  uint64_t len;
  (void)state;
  begin("requests_per_s = 2000");
  expect_ok(hf_list_open(world.conn, "list", &list));
  uint64_t began_ms = now_ms();
  expect_ok(hf_oneway_begin(world.conn));
  for (size_t i = 0; i < CALLS; i++) {
    expect_ok(hf_list_append(list, hf_int((int64_t)i)));
  }
  expect_ok(hf_oneway_end(world.conn));
  expect_ok(hf_flush(world.conn, 10000, &result));
  expect_pace(RATE, CALLS, began_ms);
  assert_int_equal(result.failed, 0);
  expect_ok(hf_list_len(list, &len));
  assert_int_equal(len, CALLS);
  hf_list_close(list);
  end();
}

/* A deadline that comes before the end of the pause is kept. */
static void test_quotas_of_rate_keep_deadlines(void **state) {
  uint64_t took_ms = 0;
  hf_status status = HF_OK;
  (void)state;
  begin("requests_per_s = 10");
  hf_conn *hasty = connect_again(20);
  for (size_t i = 0; i < 12 && status == HF_OK; i++) {
    uint64_t began_ms = now_ms();
    status = hf_ping(hasty, NULL);
    took_ms = now_ms() - began_ms;
  }
  print_message("  after %llu ms: %s\n", (unsigned long long)took_ms, hf_last_error()->message);
  assert_int_equal(status, HF_UNAVAILABLE);
  assert_in_range(took_ms, 20, 2000);
  hf_close(hasty);
  sleep_ms(500);
  expect_ok(hf_ping(world.conn, NULL));
  end();
}

/* Where the next request's time is more than the longest pause away. */
static void test_quotas_of_rate_are_named(void **state) {
  enum { RATE = 5 };
  hf_status status = HF_OK;
  (void)state;
  begin("requests_per_s = 5");
  for (size_t i = 0; i < 2 * RATE && status == HF_OK; i++) {
    status = hf_ping(world.conn, NULL);
  }
  expect_fails(status, RESOURCE_EXHAUSTED, TOO_FAST);
  expect_sentence("user \"tester\" may send 5 requests a second");
  sleep_ms(1500);
  expect_ok(hf_ping(world.conn, NULL));
  end();
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_quotas_of_objects),
      cmocka_unit_test(test_quotas_of_memory),
      cmocka_unit_test(test_quotas_of_sessions),
      cmocka_unit_test(test_quotas_of_waiting_requests),
      cmocka_unit_test(test_quotas_of_connections),
      cmocka_unit_test(test_quotas_of_rate_slow_calls_down),
      cmocka_unit_test(test_quotas_of_rate_slow_pipelines_down),
      cmocka_unit_test(test_quotas_of_rate_slow_one_way_calls_down),
      cmocka_unit_test(test_quotas_of_rate_keep_deadlines),
      cmocka_unit_test(test_quotas_of_rate_are_named),
  };
  int config = mkstemp(config_path);
  if (config < 0 || !world_choose(argc > 1 ? argv[1] : "tcp")) {
    fprintf(stderr, "usage: %s [tcp|tls|ipc|local]\n", argv[0]);
    return EXIT_FAILURE;
  }
  close(config);
  int failed = cmocka_run_group_tests_name("quotas", tests, NULL, NULL);
  unlink(config_path);
  return failed;
}
