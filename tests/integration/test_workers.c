/* Many workers at one queue, threads and processes that may be killed: no item is lost, and none that
 * was acknowledged is done again. */
#include <pthread.h>

#include "tests/integration/world.h"

static hf_queue *open_queue(void) {
  hf_queue *queue;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  return queue;
}

static uint64_t unfinished_count(hf_queue *queue) {
  struct hf_object_info info;
  expect_ok(hf_object_info(HF_AS_OBJECT(queue), &info));
  return info.unfinished;
}

enum { ITEM_COUNT = 2000, WORKER_COUNT = 8 };

struct worker {
  hf_queue *queue;
  hf_dict *done;
  bool fails_often;
  pthread_t thread;
};

/* Counts each item, then acknowledges it; ends when the queue is shut down. 0: all went well */
static int work(const struct worker *worker) {
  struct hf_reservation item;
  hf_status status;
  for (uint64_t turn = 0;; turn++) {
    status = hf_queue_reserve(worker->queue, 10000, HF_FOREVER, &item);
    if (status != HF_OK) {
      return strcmp(hf_last_error()->reason, "QUEUE_SHUT_DOWN") == 0 ? 0 : 1;
    }
    if (worker->fails_often && turn % 3 == 0) {
      status = hf_queue_return(worker->queue, item.id, turn % 2);
    } else if (hf_dict_add(worker->done, item.value, hf_int(1), NULL) != HF_OK) {
      return 2;
    } else {
      status = hf_queue_ack(worker->queue, item.id);
    }
    if (status != HF_OK) {
      return 3;
    }
  }
}

static void *work_in_thread(void *argument) {
  return (void *)(intptr_t)work(argument);
}

static void put_all(hf_queue *queue) {
  for (int64_t i = 0; i < ITEM_COUNT; i++) {
    const struct hf_put_options options = {.priority = i % 3, .delay_ms = i % 50 == 0 ? 20 : 0};
    expect_ok(hf_queue_put_with(queue, hf_int(i), &options, 0));
  }
}

static void expect_each_once(hf_dict *done) {
  struct hf_entry *entries;
  size_t count;
  expect_ok(hf_dict_items(done, &entries, &count));
  assert_int_equal(count, ITEM_COUNT);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(entries[i].value.integer, 1);
  }
  hf_entries_free(entries, count);
}

static void test_workers_threads_do_each_item_once(void **state) {
  struct worker workers[WORKER_COUNT];
  hf_queue *queue = open_queue();
  hf_dict *done;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &done));
  for (int i = 0; i < WORKER_COUNT; i++) {
    workers[i] = (struct worker){.queue = queue, .done = done, .fails_often = i % 2 == 0};
    assert_int_equal(pthread_create(&workers[i].thread, NULL, work_in_thread, &workers[i]), 0);
  }
  put_all(queue);
  expect_ok(hf_queue_join(queue, 60000));
  expect_ok(hf_queue_shutdown(queue, false));
  for (int i = 0; i < WORKER_COUNT; i++) {
    void *result;
    pthread_join(workers[i].thread, &result);
    assert_int_equal((intptr_t)result, 0);
  }
  expect_each_once(done);
  hf_dict_close(done);
  hf_queue_close(queue);
}

/* Children use handles of their parent; each dies at a moment of its own, but for the last. */
static int work_in_child(void *argument) {
  return work(argument);
}

static void test_workers_killed_processes_lose_no_item(void **state) {
  hf_queue *queue = open_queue();
  struct worker worker = {.queue = queue};
  uint64_t seed = 11;
  int killed = 0;
  (void)state;
  expect_ok(hf_dict_open(world.conn, NULL, &worker.done));
  put_all(queue);
  pid_t first = child_start(work_in_child, &worker);
  while (unfinished_count(queue) > ITEM_COUNT / 4) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    pid_t child = child_start(work_in_child, &worker);
    sleep_ms((long)(seed >> 33) % 20 + 1);
    child_kill(child);
    killed++;
  }
  expect_ok(hf_queue_join(queue, 60000));
  expect_ok(hf_queue_shutdown(queue, false));
  assert_int_equal(child_end(first), 0);
  struct hf_entry *entries;
  size_t count;
  int64_t twice = 0;
  expect_ok(hf_dict_items(worker.done, &entries, &count));
  assert_int_equal(count, ITEM_COUNT);
  for (size_t i = 0; i < count; i++) {
    twice += entries[i].value.integer - 1;
  }
  hf_entries_free(entries, count);
  print_message("%d items, %d workers killed, %lld done but not acknowledged in time\n", ITEM_COUNT,
                killed, (long long)twice);
  assert_true(twice <= killed);
  hf_dict_close(worker.done);
  hf_queue_close(queue);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_workers_threads_do_each_item_once),
    cmocka_unit_test(test_workers_killed_processes_lose_no_item),
};

WORLD_MAIN("workers", tests)
