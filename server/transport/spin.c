#include "server/transport/spin.h"

#include <unistd.h>

#define SPAN_NS_MIN 4000
#define SPAN_NS_MAX 50000
#define PRESSING_NS 50000

void spin_init(struct spin *spin) {
  uint64_t span_ns = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? SPAN_NS_MAX : 0;
  *spin = (struct spin){.span_ns = span_ns, .span_ns_max = span_ns};
}

static void adapt(struct spin *spin, bool has_paid) {
  uint64_t span_ns = spin->span_ns / 2;
  if (has_paid) {
    span_ns = spin->span_ns < SPAN_NS_MIN ? SPAN_NS_MIN : spin->span_ns * 2;
  }
  if (spin->is_waiting) {
    spin->span_ns = span_ns < spin->span_ns_max ? span_ns : spin->span_ns_max;
  }
  spin->is_waiting = false;
}

void spin_record_traffic(struct spin *spin, uint64_t now_ns) {
  spin->is_pressed = now_ns - spin->last_traffic_ns <= PRESSING_NS;
  spin->last_traffic_ns = now_ns;
  adapt(spin, true);
}

static uint64_t span_ns(const struct spin *spin) {
  bool is_short = spin->is_followed && spin->span_ns < SPAN_NS_MIN;
  if (!spin->is_pressed) {
    return 0;
  }
  return is_short && spin->span_ns_max > 0 ? SPAN_NS_MIN : spin->span_ns;
}

bool spin_goes_on(struct spin *spin, uint64_t now_ns) {
  bool goes_on = now_ns - spin->last_traffic_ns < span_ns(spin);
  spin->is_waiting |= goes_on;
  return goes_on;
}

void spin_end(struct spin *spin) {
  adapt(spin, false);
  spin->is_followed = false;
}
