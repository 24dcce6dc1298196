/* The semaphore: a count of what may still be acquired.
 *
 * layer   objects
 * source  Python's threading.Semaphore and BoundedSemaphore: anyone may release; the bounded one
 * refuses to rise above the value it began with
 */
#ifndef HF_OBJECTS_SEMAPHORE_H
#define HF_OBJECTS_SEMAPHORE_H

#include "proto/status.h"

#include <stdbool.h>
#include <stdint.h>

struct semaphore {
  uint64_t value;
  uint64_t start;
  uint64_t acquired; /* acquired by sessions and not released since */
  bool bounded;
};

/* HF_REASON_NONE | RELEASED_TOO_OFTEN bounded, beyond the start | OVERFLOW; unchanged */
static inline hf_reason semaphore_release(struct semaphore *semaphore, uint64_t count) {
  if (count > UINT64_MAX - semaphore->value) {
    return HF_REASON_OVERFLOW;
  }
  if (semaphore->bounded && semaphore->value + count > semaphore->start) {
    return HF_REASON_RELEASED_TOO_OFTEN;
  }
  semaphore->value += count;
  semaphore->acquired -= count < semaphore->acquired ? count : semaphore->acquired;
  return HF_REASON_NONE;
}

#endif
