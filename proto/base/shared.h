/* State that several threads change without a lock: a reference count, a flag.
 *
 * layer   base
 * threads any
 */
#ifndef HF_BASE_SHARED_H
#define HF_BASE_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>

/* Starts with one reference: {1}. */
struct shared_count {
  atomic_uint count;
};

static inline void shared_count_add(struct shared_count *count) {
  atomic_fetch_add_explicit(&count->count, 1, memory_order_relaxed);
}

/* Drops a reference. true: it was the last, and the caller has exclusive access to the counted
 * object. */
static inline bool shared_count_drop(struct shared_count *count) {
  return atomic_fetch_sub_explicit(&count->count, 1, memory_order_acq_rel) == 1;
}

/* Starts lowered: all zero. Relaxed: does not order other memory. */
struct shared_flag {
  atomic_bool is_raised;
};

static inline void shared_flag_raise(struct shared_flag *flag) {
  atomic_store_explicit(&flag->is_raised, true, memory_order_relaxed);
}

static inline void shared_flag_lower(struct shared_flag *flag) {
  atomic_store_explicit(&flag->is_raised, false, memory_order_relaxed);
}

static inline bool shared_flag_is_raised(const struct shared_flag *flag) {
  return atomic_load_explicit(&flag->is_raised, memory_order_relaxed);
}

#endif
