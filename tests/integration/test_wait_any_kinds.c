/* Each call that waits, as one of several of which the first is waited for, through the client library. */
#include <pthread.h>
#include <unistd.h>

#include "tests/integration/world.h"

static hf_queue *open_queue(void) {
  hf_queue *queue;
  expect_ok(hf_queue_open(world.conn, NULL, 0, &queue));
  return queue;
}

/* One object of each kind, and where the results go. */
struct scene {
  hf_queue *queue, *never;
  hf_pipe *ends[2];
  hf_lock *lock;
  hf_semaphore *semaphore;
  hf_event *event;
  hf_cell *cell;
  hf_dict *dict;
  hf_value value, *values;
  size_t count;
  struct hf_reservation item;
  struct hf_grant grant;
  bool flag;
};

struct waiting {
  const char *name;
  hf_status (*wait)(struct scene *scene);    /* what is added to the batch */
  hf_status (*trigger)(struct scene *scene); /* what lets it go on, done by another thread */
  hf_status (*check)(struct scene *scene);   /* HF_OK: its result is there and is right */
};

static hf_status is(bool truth) {
  return truth ? HF_OK : HF_UNKNOWN;
}

static hf_status got_seven(struct scene *scene) {
  bool right = scene->value.type == HF_TYPE_INT && scene->value.integer == 7;
  hf_value_clear(&scene->value);
  return is(right);
}

static hf_status is_flagged(struct scene *scene) {
  return is(scene->flag);
}

static hf_status put_seven(struct scene *scene) {
  return hf_queue_put(scene->queue, hf_int(7), 0);
}

static hf_status wait_get(struct scene *scene) {
  return hf_queue_get(scene->queue, HF_FOREVER, &scene->value);
}

static hf_status wait_get_many(struct scene *scene) {
  return hf_queue_get_many(scene->queue, 5, HF_FOREVER, &scene->values, &scene->count);
}

static hf_status check_get_many(struct scene *scene) {
  EXPECT_INTS(scene->values, scene->count, 7);
  return HF_OK;
}

static hf_status wait_reserve(struct scene *scene) {
  return hf_queue_reserve(scene->queue, 60000, HF_FOREVER, &scene->item);
}

static hf_status check_reserve(struct scene *scene) {
  expect_equal(scene->item.value, hf_int(7));
  return hf_queue_ack(scene->queue, scene->item.id);
}

static hf_status wait_recv(struct scene *scene) {
  return hf_pipe_recv(scene->ends[0], HF_FOREVER, &scene->value);
}

static hf_status send_seven(struct scene *scene) {
  return hf_pipe_send(scene->ends[1], hf_int(7), 0);
}

static hf_status wait_poll(struct scene *scene) {
  return hf_pipe_poll(scene->ends[0], HF_FOREVER, &scene->flag);
}

static hf_status check_poll(struct scene *scene) {
  hf_value value;
  hf_status status = hf_pipe_recv(scene->ends[0], 0, &value);
  return status == HF_OK ? is(scene->flag) : status;
}

static hf_status wait_lock(struct scene *scene) {
  return hf_lock_acquire(scene->lock, HF_FOREVER, &scene->grant);
}

static hf_status release_lock(struct scene *scene) {
  return hf_lock_release(scene->lock);
}

/* Leaves it locked, as it was. */
static hf_status check_lock(struct scene *scene) {
  struct hf_object_info info;
  hf_status status = hf_object_info(HF_AS_OBJECT(scene->lock), &info);
  return status == HF_OK ? is(info.locked && info.token == scene->grant.token) : status;
}

static hf_status wait_semaphore(struct scene *scene) {
  return hf_semaphore_acquire(scene->semaphore, HF_FOREVER);
}

static hf_status release_semaphore(struct scene *scene) {
  return hf_semaphore_release(scene->semaphore, 1);
}

static hf_status check_semaphore(struct scene *scene) {
  return is(hf_semaphore_acquire(scene->semaphore, 0) != HF_OK);
}

static hf_status wait_event(struct scene *scene) {
  return hf_event_wait(scene->event, HF_FOREVER, &scene->flag);
}

static hf_status set_event(struct scene *scene) {
  return hf_event_set(scene->event);
}

static hf_status wait_cell(struct scene *scene) {
  return hf_cell_wait(scene->cell, hf_int(0), HF_FOREVER, &scene->value);
}

static hf_status set_cell(struct scene *scene) {
  return hf_cell_set(scene->cell, hf_int(7));
}

static hf_status wait_dict(struct scene *scene) {
  return hf_dict_wait(scene->dict, hf_text("k"), NULL, HF_FOREVER, &scene->value);
}

static hf_status set_dict(struct scene *scene) {
  return hf_dict_set(scene->dict, hf_text("k"), hf_int(7));
}

static const struct waiting waitings[] = {
    {"queue get", wait_get, put_seven, got_seven},
    {"queue get_many", wait_get_many, put_seven, check_get_many},
    {"queue reserve", wait_reserve, put_seven, check_reserve},
    {"pipe recv", wait_recv, send_seven, got_seven},
    {"pipe poll", wait_poll, send_seven, check_poll},
    {"lock", wait_lock, release_lock, check_lock},
    {"semaphore", wait_semaphore, release_semaphore, check_semaphore},
    {"event", wait_event, set_event, is_flagged},
    {"value", wait_cell, set_cell, got_seven},
    {"dict", wait_dict, set_dict, got_seven},
};
#define WAITING_COUNT (sizeof waitings / sizeof *waitings)

static void scene_open(struct scene *scene) {
  *scene = (struct scene){.queue = open_queue(), .never = open_queue()};
  expect_ok(hf_pipe_new(world.conn, true, scene->ends));
  expect_ok(hf_lock_open(world.conn, NULL, &scene->lock));
  expect_ok(hf_lock_acquire(scene->lock, 0, NULL));
  expect_ok(hf_semaphore_open(world.conn, NULL, 0, &scene->semaphore));
  expect_ok(hf_event_open(world.conn, NULL, &scene->event));
  expect_ok(hf_cell_open(world.conn, NULL, 'i', hf_int(0), &scene->cell));
  expect_ok(hf_dict_open(world.conn, NULL, &scene->dict));
}

static void scene_close(struct scene *scene) {
  hf_queue_close(scene->queue);
  hf_queue_close(scene->never);
  hf_pipe_close(scene->ends[0]);
  hf_pipe_close(scene->ends[1]);
  hf_lock_close(scene->lock);
  hf_semaphore_close(scene->semaphore);
  hf_event_close(scene->event);
  hf_cell_close(scene->cell);
  hf_dict_close(scene->dict);
}

struct triggering {
  const struct waiting *waiting;
  struct scene *scene;
};

/* Once the first is parked. */
static void *trigger(void *argument) {
  struct triggering *triggering = argument;
  struct hf_server_info info;
  do {
    if (hf_server_info(world.conn, &info) != HF_OK) {
      return (void *)1;
    }
  } while (info.waiting == 0);
  return (void *)(intptr_t)triggering->waiting->trigger(triggering->scene);
}

static void test_wait_any_waits_for_every_kind_of_call(void **state) {
  struct scene scene;
  hf_value unset;
  (void)state;
  for (size_t i = 0; i < WAITING_COUNT; i++) {
    struct triggering triggering = {&waitings[i], &scene};
    size_t index = 9;
    pthread_t thread;
    void *triggered;
    scene_open(&scene);
    assert_int_equal(pthread_create(&thread, NULL, trigger, &triggering), 0);
    expect_ok(hf_wait_any_begin(world.conn));
    expect_ok(hf_queue_get(scene.never, HF_FOREVER, &unset));
    expect_ok(waitings[i].wait(&scene));
    expect_ok(hf_wait_any_end(world.conn, 5000, &index));
    pthread_join(thread, &triggered);
    assert_null(triggered);
    if (index != 1 || waitings[i].check(&scene) != HF_OK) {
      fail_msg("%s", waitings[i].name);
    }
    assert_int_equal(waiting_count(), 0);
    scene_close(&scene);
  }
}

static void test_wait_any_of_all_kinds_at_once(void **state) {
  struct scene scene;
  (void)state;
  for (size_t ready = 0; ready < WAITING_COUNT; ready++) {
    size_t index = 99;
    scene_open(&scene);
    expect_ok(waitings[ready].trigger(&scene));
    expect_ok(hf_wait_any_begin(world.conn));
    for (size_t i = WAITING_COUNT; i-- > 0;) {
      expect_ok(waitings[i].wait(&scene));
    }
    expect_ok(hf_wait_any_end(world.conn, 1000, &index));
    /* Some share their trigger: the last of those in the table was made first. */
    const struct waiting *done = &waitings[WAITING_COUNT - 1 - index];
    assert_ptr_equal(done->trigger, waitings[ready].trigger);
    expect_ok(done->check(&scene));
    scene_close(&scene);
  }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_wait_any_waits_for_every_kind_of_call),
    cmocka_unit_test(test_wait_any_of_all_kinds_at_once),
};

WORLD_MAIN("first", tests)
