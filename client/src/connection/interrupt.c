#include "client/src/connection/interrupt.h"

#include <holdfast/connection.h>

#include "client/src/connection/generation.h"
#include "proto/base/clock.h"

static _Thread_local bool (*on_interrupt)(void);

void hf_on_interrupt(bool (*check)(void)) {
  on_interrupt = check;
}

struct interrupts interrupts_begin(uint64_t since_ns) {
  return (struct interrupts){
      .check = on_interrupt,
      .next_ns = clock_deadline_ns(since_ns, INTERRUPT_CHECK_MS),
  };
}

uint64_t interrupts_until_ns(const struct interrupts *interrupts, uint64_t deadline_ns) {
  bool is_sooner = interrupts->check != NULL && interrupts->next_ns < deadline_ns;
  return is_sooner ? interrupts->next_ns : deadline_ns;
}

bool interrupts_are_due(const struct interrupts *interrupts, bool has_returned_early) {
  return interrupts->check != NULL && (has_returned_early || clock_now_ns() >= interrupts->next_ns);
}

bool interrupts_check(struct interrupts *interrupts) {
  uint32_t generation = fork_generation();
  bool is_interrupted = interrupts->check() || fork_generation() != generation;
  interrupts->next_ns = clock_deadline_ns(clock_now_ns(), INTERRUPT_CHECK_MS);
  interrupts->count += is_interrupted;
  return is_interrupted;
}
