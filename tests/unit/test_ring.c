/* Rings: what is written is read, in order and whole, whatever the other end's words say. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/clock.h"
#include "proto/ring.h"
#include "tests/support/random.h"

#define SIZE 64
#define HOSTILE_ROUNDS 200000
#define STREAM_BYTES 100000

static uint64_t seed;

struct fixture {
  struct segment_ring control;
  uint8_t *data; /* its own allocation, so that a sanitizer sees what is outside */
  struct ring_end writer, reader;
};

static struct fixture *fixture_new(void) {
  struct fixture *fixture = aligned_alloc(SEGMENT_LINE_BYTES, sizeof *fixture);
  assert_non_null(fixture);
  memset(fixture, 0, sizeof *fixture);
  fixture->data = malloc(SIZE);
  assert_non_null(fixture->data);
  ring_init_writer(&fixture->writer, &fixture->control, fixture->data, SIZE);
  ring_init_reader(&fixture->reader, &fixture->control, fixture->data, SIZE);
  return fixture;
}

static void fixture_free(struct fixture *fixture) {
  free(fixture->data);
  free(fixture);
}

static void test_ring_empty_has_nothing_to_read(void **state) {
  struct fixture *fixture = fixture_new();
  uint8_t byte;
  (void)state;
  assert_int_equal(ring_used(&fixture->reader), 0);
  assert_int_equal(ring_read(&fixture->reader, &byte, 1), 0);
  assert_false(ring_seems_readable(&fixture->reader));
  assert_int_equal(ring_room(&fixture->writer), SIZE);
  fixture_free(fixture);
}

static void test_ring_full_takes_a_part_then_nothing(void **state) {
  struct fixture *fixture = fixture_new();
  uint8_t bytes[SIZE + 10], back[SIZE + 10];
  (void)state;
  for (size_t i = 0; i < sizeof bytes; i++) {
    bytes[i] = (uint8_t)i;
  }
  assert_int_equal(ring_write(&fixture->writer, bytes, sizeof bytes), SIZE);
  assert_int_equal(ring_write(&fixture->writer, bytes, 1), 0);
  assert_false(ring_seems_writable(&fixture->writer));
  assert_int_equal(ring_read(&fixture->reader, back, 10), 10);
  assert_true(ring_seems_writable(&fixture->writer));
  assert_int_equal(ring_write(&fixture->writer, bytes + SIZE, 20), 10);
  assert_int_equal(ring_read(&fixture->reader, back + 10, sizeof back), SIZE);
  assert_memory_equal(back, bytes, sizeof bytes);
  fixture_free(fixture);
}

static void test_ring_wraps_around_and_keeps_order(void **state) {
  struct fixture *fixture = fixture_new();
  struct random random = {seed};
  uint64_t written = 0, read = 0;
  (void)state;
  while (read < STREAM_BYTES) {
    uint8_t part[SIZE + 1];
    size_t len = random_below(&random, sizeof part);
    for (size_t i = 0; i < len; i++) {
      part[i] = (uint8_t)((written + i) * 131 >> 3);
    }
    written += ring_write(&fixture->writer, part, len);
    size_t got = ring_read(&fixture->reader, part, random_below(&random, sizeof part));
    for (size_t i = 0; i < got; i++) {
      assert_int_equal(part[i], (uint8_t)((read + i) * 131 >> 3));
    }
    read += got;
    assert_true(read <= written && written - read <= SIZE);
  }
  fixture_free(fixture);
}

static void test_ring_word_wraps_at_its_end(void **state) {
  struct fixture *fixture = fixture_new();
  const uint64_t high = UINT64_MAX - 5;
  uint8_t bytes[16] = "fifteen letters", back[16];
  (void)state;
  atomic_store(&fixture->control.head, high);
  atomic_store(&fixture->control.tail, high);
  fixture->writer.position = fixture->reader.position = high;
  fixture->writer.limit = high + SIZE;
  fixture->reader.limit = high;
  assert_int_equal(ring_write(&fixture->writer, bytes, sizeof bytes), sizeof bytes);
  assert_int_equal(ring_read(&fixture->reader, back, sizeof back), sizeof back);
  assert_memory_equal(back, bytes, sizeof bytes);
  fixture_free(fixture);
}

/* A peer that writes anything anywhere: nothing is read or written outside, and a number of bytes
 * that comes back is one that fits. */
static void test_ring_hostile_words_never_lead_outside(void **state) {
  struct fixture *fixture = fixture_new();
  struct random random = {seed};
  uint64_t broken = 0, moved = 0;
  (void)state;
  for (int i = 0; i < HOSTILE_ROUNDS; i++) {
    uint8_t bytes[SIZE * 2] = {0};
    uint64_t close = fixture->reader.position + random_below(&random, 2 * SIZE) - SIZE / 2;
    atomic_store(&fixture->control.head, i % 3 ? close : random_next(&random));
    atomic_store(&fixture->control.tail, i % 3 ? close - SIZE : random_next(&random));
    atomic_store(&fixture->control.reader_sleeps, (uint32_t)random_next(&random));
    size_t want = random_below(&random, sizeof bytes);
    size_t got = ring_read(&fixture->reader, bytes, want);
    size_t put = ring_write(&fixture->writer, bytes, want);
    (void)ring_must_wake_reader(&fixture->writer);
    assert_true(got == RING_BROKEN || (got <= want && got <= SIZE));
    assert_true(put == RING_BROKEN || (put <= want && put <= SIZE));
    broken += (got == RING_BROKEN) + (put == RING_BROKEN);
    moved += (got != RING_BROKEN && got > 0) + (put != RING_BROKEN && put > 0);
  }
  print_message("%llu broken, %llu moved bytes\n", (unsigned long long)broken,
                (unsigned long long)moved);
  assert_true(broken > 1000 && moved > 1000);
  fixture_free(fixture);
}

static void test_ring_announcement_is_taken_once(void **state) {
  struct fixture *fixture = fixture_new();
  (void)state;
  assert_int_equal(ring_must_wake_reader(&fixture->writer), RING_WAKE_NONE);
  ring_announce_sleep(&fixture->reader, RING_WAKE_NOTIFY);
  assert_int_equal(ring_must_wake_reader(&fixture->writer), RING_WAKE_NOTIFY);
  assert_int_equal(ring_must_wake_reader(&fixture->writer), RING_WAKE_NONE);
  ring_announce_sleep(&fixture->reader, RING_WAKE_FUTEX);
  assert_int_equal(ring_must_wake_reader(&fixture->writer), RING_WAKE_FUTEX);
  ring_announce_sleep(&fixture->reader, RING_WAKE_NOTIFY);
  ring_withdraw_sleep(&fixture->reader);
  assert_int_equal(ring_must_wake_reader(&fixture->writer), RING_WAKE_NONE);
  ring_announce_wait(&fixture->writer);
  assert_true(ring_must_wake_writer(&fixture->reader));
  assert_false(ring_must_wake_writer(&fixture->reader));
  atomic_store(&fixture->control.reader_sleeps, 77); /* by a newer peer, or a hostile one */
  assert_int_equal(ring_must_wake_reader(&fixture->writer), RING_WAKE_NOTIFY);
  fixture_free(fixture);
}

struct sleeper {
  struct fixture *fixture;
  atomic_bool sleeps;
};

static void *sleep_until_written_to(void *arg) {
  struct sleeper *sleeper = arg;
  struct ring_end *reader = &sleeper->fixture->reader;
  ring_announce_sleep(reader, RING_WAKE_FUTEX);
  atomic_store(&sleeper->sleeps, true);
  while (!ring_seems_readable(reader)) {
    ring_sleep(reader, clock_deadline_ns(clock_now_ns(), 10000));
  }
  return NULL;
}

static void test_ring_futex_wakes_the_sleeping_reader(void **state) {
  struct sleeper sleeper = {.fixture = fixture_new()};
  pthread_t thread;
  (void)state;
  uint64_t began_ns = clock_now_ns();
  assert_int_equal(pthread_create(&thread, NULL, sleep_until_written_to, &sleeper), 0);
  while (!atomic_load(&sleeper.sleeps)) {
    sched_yield();
  }
  assert_int_equal(ring_write(&sleeper.fixture->writer, "x", 1), 1);
  assert_int_equal(ring_must_wake_reader(&sleeper.fixture->writer), RING_WAKE_FUTEX);
  ring_wake_reader(&sleeper.fixture->writer);
  pthread_join(thread, NULL);
  assert_true(clock_now_ns() < clock_deadline_ns(began_ns, 5000));
  fixture_free(sleeper.fixture);
}

/* What it does not sleep on any more does not put it to sleep. */
static void test_ring_sleep_returns_when_already_woken(void **state) {
  struct fixture *fixture = fixture_new();
  (void)state;
  uint64_t began_ns = clock_now_ns();
  ring_announce_sleep(&fixture->reader, RING_WAKE_FUTEX);
  assert_int_equal(ring_must_wake_reader(&fixture->writer), RING_WAKE_FUTEX);
  ring_sleep(&fixture->reader, clock_deadline_ns(began_ns, 10000));
  assert_true(clock_now_ns() < clock_deadline_ns(began_ns, 5000));
  fixture_free(fixture);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ring_empty_has_nothing_to_read),
      cmocka_unit_test(test_ring_full_takes_a_part_then_nothing),
      cmocka_unit_test(test_ring_wraps_around_and_keeps_order),
      cmocka_unit_test(test_ring_word_wraps_at_its_end),
      cmocka_unit_test(test_ring_hostile_words_never_lead_outside),
      cmocka_unit_test(test_ring_announcement_is_taken_once),
      cmocka_unit_test(test_ring_futex_wakes_the_sleeping_reader),
      cmocka_unit_test(test_ring_sleep_returns_when_already_woken),
  };
  seed = random_seed(argc, argv);
  return cmocka_run_group_tests_name("unit.ring", tests, NULL, NULL);
}
