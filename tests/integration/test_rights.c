/* What a client reads who may not do what it asks for: in each case with its user, what that may do, and what the
 * call needs. Which operation needs what is in tests/unit/test_engine_rights.c, from the table.
 *
 *   test_rights tcp      or tls, ipc, local
 */
#include "tests/integration/world.h"

#include <signal.h>
#include <unistd.h>

static char config_path[] = "/tmp/holdfast-rights-XXXXXX";

static void write_config(bool has_users) {
  FILE *config = fopen(config_path, "we");
  assert_non_null(config);
  if (has_users) {
    const char *key = strcmp(world.path, "tls") == 0 ? "key = yes\n" : "";
    fprintf(config, "[user tester]\n%suid = %u\nrights = jobs.:r results.:w own.:rwc\n", key,
            (unsigned)getuid());
  }
  fclose(config);
}

/* Until the server has the users. */
static void await_users(void) {
  hf_queue *queue;
  uint64_t until_ms = now_ms() + 5000;
  hf_status status = HF_OK;
  while (status != HF_PERMISSION_DENIED) {
    assert_true(now_ms() < until_ms);
    if (hf_connect(world.url, NULL, &world.conn) == HF_OK) {
      status = hf_queue_open(world.conn, "secret", 0, &queue);
      if (status == HF_OK) {
        hf_queue_close(queue);
      }
    }
    if (status != HF_PERMISSION_DENIED) {
      hf_close(world.conn);
      sleep_ms(10);
    }
  }
}

/* Objects are made while everybody may do everything. */
static int start(void **state) {
  hf_queue *queue;
  (void)state;
  write_config(false);
  daemon_start(&world.daemon, (const char *const[]){"--config", config_path, NULL});
  world.conn = connect_again(0);
  expect_ok(hf_queue_open(world.conn, "jobs.in", 0, &queue));
  expect_ok(hf_queue_put(queue, hf_int(1), 0));
  hf_queue_close(queue);
  expect_ok(hf_queue_open(world.conn, "results.out", 0, &queue));
  hf_queue_close(queue);
  expect_ok(hf_queue_open(world.conn, "secret", 0, &queue));
  hf_queue_close(queue);
  hf_close(world.conn);
  write_config(true);
  assert_int_equal(kill(world.daemon.pid, SIGHUP), 0);
  await_users();
  return 0;
}

static int stop(void **state) {
  (void)state;
  hf_close(world.conn);
  daemon_stop(&world.daemon);
  return 0;
}

static void expect_denied(hf_status status, const char *sentence) {
  expect_fails(status, PERMISSION_DENIED, NO_RIGHT);
  assert_string_equal(hf_last_error()->message, sentence);
}

#define RIGHTS "; rights: results.:w jobs.:r own.:rwc)"

static void test_rights_that_are_less_than_a_call_needs(void **state) {
  hf_queue *queue;
  hf_value item;
  uint64_t size;
  (void)state;
  expect_ok(hf_queue_open(world.conn, "jobs.in", 0, &queue));
  expect_ok(hf_queue_size(queue, &size));
  expect_denied(hf_queue_put(queue, hf_int(2), 0),
                "user \"tester\" may read \"jobs.in\", not write it (queue_put needs w" RIGHTS);
  expect_denied(hf_queue_get(queue, 0, &item),
                "user \"tester\" may read \"jobs.in\", not write it (queue_get needs rw" RIGHTS);
  expect_denied(hf_object_delete(HF_AS_OBJECT(queue)),
                "user \"tester\" may read \"jobs.in\", not create or delete it (object_delete "
                "needs c" RIGHTS);
  hf_queue_close(queue);
  expect_ok(hf_queue_open(world.conn, "results.out", 0, &queue));
  expect_ok(hf_queue_put(queue, hf_int(3), 0));
  expect_denied(
      hf_queue_get(queue, 0, &item),
      "user \"tester\" may write \"results.out\", not read it (queue_get needs rw" RIGHTS);
  hf_queue_close(queue);
}

/* The same words whether there is such an object or not. */
static void test_rights_to_names_that_may_not_be_seen(void **state) {
  static const char *const names[] = {"secret", "nothing"};
  hf_queue *queue;
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    char sentence[200];
    snprintf(sentence, sizeof sentence,
             "user \"tester\" may not read or write \"%s\" (object_open needs r or w" RIGHTS,
             names[i]);
    expect_denied(hf_queue_open(world.conn, names[i], 0, &queue), sentence);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rights_that_are_less_than_a_call_needs),
      cmocka_unit_test(test_rights_to_names_that_may_not_be_seen),
  };
  int config = mkstemp(config_path);
  if (config < 0 || !world_choose(argc > 1 ? argv[1] : "tcp")) {
    fprintf(stderr, "usage: %s [tcp|tls|ipc|local]\n", argv[0]);
    return EXIT_FAILURE;
  }
  close(config);
  int failed = cmocka_run_group_tests_name("rights", tests, start, stop);
  unlink(config_path);
  return failed;
}
