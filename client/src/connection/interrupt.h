/* Interrupts: the program's check during a wait, see hf_on_interrupt.
 *
 *   struct interrupts interrupts = interrupts_begin(clock_now_ns());
 *   while (...) {
 *     wait until interrupts_until_ns(&interrupts, deadline_ns);
 *     if (interrupts_are_due(&interrupts, has_returned_early)) {
 *       release the locks
 *       if (interrupts_check(&interrupts)) withdraw the call
 *     }
 *   }
 *
 * layer   client, connection
 * units   absolute nanoseconds of the monotonic clock
 * threads A struct interrupts belongs to one wait of one thread. The check may make calls.
 */
#ifndef HF_CLIENT_INTERRUPT_H
#define HF_CLIENT_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

/* The interval of checks: less than the 50 ms of the header, since threads are late. */
#define INTERRUPT_CHECK_MS 25

struct interrupts {
  bool (*check)(void); /* NULL: none */
  uint64_t next_ns;    /* when the check is due */
  unsigned count;      /* how often it answered true */
};

/* since_ns: the beginning of the wait */
struct interrupts interrupts_begin(uint64_t since_ns);
/* The earlier of the deadline and the next check. */
uint64_t interrupts_until_ns(const struct interrupts *interrupts, uint64_t deadline_ns);
/* has_returned_early: the wait brought nothing, possibly because of a signal handler. */
bool interrupts_are_due(const struct interrupts *interrupts, bool has_returned_early);
/* Calls the check. true: the call is to be withdrawn; with count > 1, given up. A forked child that
 * returns from the check is always interrupted: its parent has the call. */
bool interrupts_check(struct interrupts *interrupts);

#endif
