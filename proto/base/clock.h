/* Monotonic time in nanoseconds: the only clock of server and client. */
#ifndef HF_BASE_CLOCK_H
#define HF_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_NS_PER_MS UINT64_C(1000000)
/* No deadline. */
#define CLOCK_NEVER UINT64_MAX

uint64_t clock_now_ns(void);
/* now + timeout_ms; CLOCK_NEVER on overflow. */
uint64_t clock_deadline_ns(uint64_t now_ns, uint64_t timeout_ms);
/* For the system's calls. */
struct timespec clock_timespec(uint64_t ns);

#endif
