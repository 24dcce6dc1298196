/* Bells: whoever rings wakes the sleeper, also when it comes a moment too early. */
#include "server/local/bells.h"

#include "proto/base/clock.h"
#include "proto/ring.h"

#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define ROUNDS 2000
#define LONG_MS 10000 /* that somebody was not woken shows by this */

static struct bells bells;
static _Atomic uint32_t words[BELLS_MAX + 1];

static int setup(void **state) {
  (void)state;
  bells_init(&bells);
  for (int i = 0; i <= BELLS_MAX; i++) {
    words[i] = RING_BELL_FUTEX;
  }
  return 0;
}

static void skip_without_waitv(void) {
  if (!bells.has_many) {
    skip();
  }
}

static void sleep_long(void) {
  uint64_t began_ns = clock_now_ns();
  bells_sleep(&bells, clock_deadline_ns(began_ns, LONG_MS));
  assert_true(clock_now_ns() < clock_deadline_ns(began_ns, LONG_MS / 2));
}

static void ring_word(_Atomic uint32_t *word) {
  if (atomic_exchange(word, RING_BELL_NONE) == RING_BELL_FUTEX) {
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
  }
}

static void test_bells_sleep_ends_at_the_deadline(void **state) {
  (void)state;
  uint64_t began_ns = clock_now_ns();
  bells_sleep(&bells, clock_deadline_ns(began_ns, 30));
  assert_true(clock_now_ns() >= clock_deadline_ns(began_ns, 30));
}

static void test_bells_own_ring_is_taken_once_and_keeps_awake(void **state) {
  (void)state;
  assert_false(bells_take_ring(&bells));
  bells_ring(&bells);
  sleep_long();
  assert_true(bells_take_ring(&bells));
  assert_false(bells_take_ring(&bells));
}

static void test_bells_rung_before_the_sleep_keeps_awake(void **state) {
  (void)state;
  skip_without_waitv();
  bells_hang(&bells, &words[0], &words[0]);
  bells_hang(&bells, &words[1], &words[1]);
  assert_null(bells_take_rung(&bells));
  ring_word(&words[1]);
  sleep_long();
  assert_ptr_equal(bells_take_rung(&bells), &words[1]);
  assert_null(bells_take_rung(&bells));
  assert_int_equal(bells.count, 1);
}

static void *ring_by_turns(void *arg) {
  atomic_uint *turn = arg;
  for (unsigned i = 0; i < ROUNDS; i++) {
    while (atomic_load(turn) != 2 * i + 1) {
    }
    if (i % 3 == 0) {
      bells_ring(&bells);
    } else {
      ring_word(&words[i % BELLS_MAX]);
    }
  }
  return NULL;
}

/* Each ring comes about when the sleeper goes to sleep. */
static void test_bells_each_ring_wakes(void **state) {
  atomic_uint turn = 0;
  pthread_t ringer;
  (void)state;
  skip_without_waitv();
  assert_int_equal(pthread_create(&ringer, NULL, ring_by_turns, &turn), 0);
  for (unsigned i = 0; i < ROUNDS; i++) {
    _Atomic uint32_t *word = &words[i % BELLS_MAX];
    bool is_own = i % 3 == 0, is_rung = false;
    *word = RING_BELL_FUTEX;
    bells_take_down(&bells, word);
    bells_hang(&bells, word, word);
    atomic_store(&turn, 2 * i + 1);
    while (!is_rung) {
      sleep_long();
      is_rung = is_own ? bells_take_ring(&bells) : bells_take_rung(&bells) != NULL;
    }
    atomic_store(&turn, 2 * i + 2);
  }
  pthread_join(ringer, NULL);
}

static void test_bells_longest_hung_makes_room(void **state) {
  (void)state;
  skip_without_waitv();
  for (int i = 0; i < BELLS_MAX; i++) {
    assert_true(bells_have_room(&bells));
    assert_null(bells_make_room(&bells));
    bells_hang(&bells, &words[i], &words[i]);
  }
  assert_false(bells_have_room(&bells));
  assert_null(bells_make_room(&bells));
  assert_int_equal(words[0], RING_BELL_SOCKET);
  bells_hang(&bells, &words[BELLS_MAX], &words[BELLS_MAX]);
  ring_word(&words[1]); /* at that very moment */
  assert_ptr_equal(bells_make_room(&bells), &words[1]);
  assert_int_equal(words[1], RING_BELL_NONE);
  assert_int_equal(bells.count, BELLS_MAX - 1);
}

static void test_bells_without_waitv_own_one_wakes(void **state) {
  (void)state;
  bells.has_many = false;
  assert_false(bells_have_room(&bells));
  test_bells_sleep_ends_at_the_deadline(state);
  bells_ring(&bells);
  sleep_long();
  assert_true(bells_take_ring(&bells));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_bells_sleep_ends_at_the_deadline, setup),
      cmocka_unit_test_setup(test_bells_own_ring_is_taken_once_and_keeps_awake, setup),
      cmocka_unit_test_setup(test_bells_rung_before_the_sleep_keeps_awake, setup),
      cmocka_unit_test_setup(test_bells_each_ring_wakes, setup),
      cmocka_unit_test_setup(test_bells_longest_hung_makes_room, setup),
      cmocka_unit_test_setup(test_bells_without_waitv_own_one_wakes, setup),
  };
  return cmocka_run_group_tests_name("unit.bells", tests, NULL, NULL);
}
