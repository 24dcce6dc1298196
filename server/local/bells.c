#include "server/local/bells.h"

#include "proto/base/clock.h"
#include "proto/ring.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long wait_for_many(struct futex_waitv *words, size_t count, const struct timespec *until) {
  return syscall(SYS_futex_waitv, words, (unsigned)count, 0u, until, CLOCK_MONOTONIC);
}

void bells_init(struct bells *bells) {
  *bells = (struct bells){
      .words = {{.uaddr = (uintptr_t)&bells->own, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG}}};
  bells->has_many = wait_for_many(NULL, 0, NULL) < 0 && errno == EINVAL; /* else ENOSYS, EPERM */
}

/* ---------------------------------------------------------------------------------- our own */

void bells_ring(struct bells *bells) {
  atomic_store(&bells->own, 1);
  syscall(SYS_futex, &bells->own, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

bool bells_take_ring(struct bells *bells) {
  return atomic_load_explicit(&bells->own, memory_order_relaxed) != 0 &&
         atomic_exchange(&bells->own, 0) != 0;
}

/* -------------------------------------------------------------------------------- clients' */

static _Atomic uint32_t *word_of(const struct bells *bells, size_t idx) {
  return (_Atomic uint32_t *)(uintptr_t)bells->words[1 + idx].uaddr;
}

static void *take_down(struct bells *bells, size_t idx) {
  void *owner = bells->owners[idx];
  size_t after = --bells->count - idx;
  memmove(&bells->owners[idx], &bells->owners[idx + 1], after * sizeof bells->owners[0]);
  memmove(&bells->words[1 + idx], &bells->words[2 + idx], after * sizeof bells->words[0]);
  return owner;
}

bool bells_have_room(const struct bells *bells) {
  return bells->has_many && bells->count < BELLS_MAX;
}

void *bells_make_room(struct bells *bells) {
  uint32_t futex = RING_BELL_FUTEX;
  if (bells->count < BELLS_MAX) {
    return NULL;
  }
  bool has_rung = !atomic_compare_exchange_strong(word_of(bells, 0), &futex, RING_BELL_SOCKET);
  void *owner = take_down(bells, 0);
  return has_rung ? owner : NULL;
}

void bells_hang(struct bells *bells, _Atomic uint32_t *word, void *owner) {
  assert(bells_have_room(bells));
  bells->owners[bells->count++] = owner;
  bells->words[bells->count] =
      (struct futex_waitv){.val = RING_BELL_FUTEX, .uaddr = (uintptr_t)word, .flags = FUTEX_32};
}

void bells_take_down(struct bells *bells, const void *owner) {
  for (size_t i = 0; i < bells->count; i++) {
    if (bells->owners[i] == owner) {
      (void)take_down(bells, i);
      return;
    }
  }
}

void *bells_take_rung(struct bells *bells) {
  for (size_t i = 0; i < bells->count; i++) {
    if (atomic_load_explicit(word_of(bells, i), memory_order_relaxed) != RING_BELL_FUTEX) {
      return take_down(bells, i);
    }
  }
  return NULL;
}

/* ------------------------------------------------------------------------------------ sleep */

void bells_sleep(struct bells *bells, uint64_t deadline_ns) {
  const struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / 1000000000),
                                    .tv_nsec = (long)(deadline_ns % 1000000000)};
  const struct timespec *until = deadline_ns == CLOCK_NEVER ? NULL : &deadline;
  if (bells->has_many) {
    (void)wait_for_many(bells->words, 1 + bells->count, until);
  } else {
    syscall(SYS_futex, &bells->own, FUTEX_WAIT_BITSET_PRIVATE, 0, until, NULL,
            FUTEX_BITSET_MATCH_ANY);
  }
}
