#include "client/src/mapped/mapped_wait.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <linux/futex.h>

#include "client/src/mapped/mapped_numbers.h"
#include "client/src/mapped/sliced_wait.h"

static enum mapped_way fail(hf_reason reason, hf_status *status) {
  *status = error_reason(reason);
  return MAPPED_FAILED;
}

/* Reads the value once. out changes: the futex value to wait on if the value has not changed. */
static enum mapped_way check_changed(hf_object *object, const hf_value *known, int64_t *timeout_ms,
                                     uint32_t *changes, bool *has_changed, hf_value *value,
                                     hf_status *status) {
  hf_value found;
  enum mapped_way way = mapped_cell_enter(object, timeout_ms, NULL, status);
  if (way != MAPPED_IN) {
    return way;
  }
  struct cell_header *header = mapped_cell_header(object);
  /* Before the flag: the writer that clears the flag increments `changes` after that. */
  *changes = atomic_load(&header->changes);
  atomic_fetch_or(&header->flags, CELL_LOCAL_WAITS);
  uint64_t bits = cell_read(object->mapped.type, object->mapped.elements, 0);
  mapped_cell_leave(object);
  hf_reason reason = mapped_output(object, bits, &found);
  if (reason != HF_REASON_NONE) {
    return fail(reason, status);
  }
  *has_changed = !hf_value_equal(found, *known);
  if (*has_changed) {
    *value = found;
  } else {
    hf_value_clear(&found);
  }
  return MAPPED_IN;
}

static void sleep_on(struct cell_header *header, uint32_t changes, uint64_t until_ns) {
  struct timespec until = timespec_of(until_ns);
  syscall(SYS_futex, &header->changes, FUTEX_WAIT_BITSET, changes, &until, NULL,
          FUTEX_BITSET_MATCH_ANY); /* an absolute time of CLOCK_MONOTONIC */
}

enum mapped_way mapped_cell_wait(hf_object *object, const hf_value *known, int64_t *timeout_ms,
                                 hf_value *value, hf_status *status) {
  struct sliced_wait wait = sliced_wait_begin(object->conn, *timeout_ms);
  uint32_t changes;
  uint64_t until_ns;
  bool has_changed = false;
  if (*timeout_ms < 0 && *timeout_ms != HF_FOREVER) {
    return MAPPED_REQUEST; /* the server answers the error */
  }
  for (;;) {
    *timeout_ms = sliced_wait_left_ms(&wait);
    enum mapped_way way =
        check_changed(object, known, timeout_ms, &changes, &has_changed, value, status);
    if (way != MAPPED_IN || has_changed) {
      return way;
    }
    hf_reason reason = sliced_wait_next(&wait, &until_ns);
    if (reason != HF_REASON_NONE) {
      return fail(reason == HF_REASON_TIMED_OUT ? HF_REASON_NOT_CHANGED : reason, status);
    }
    sleep_on(mapped_cell_header(object), changes, until_ns);
  }
}
