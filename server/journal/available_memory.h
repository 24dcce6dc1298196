/* How much memory a process beside this one may take.
 *
 * layer   journal
 */
#ifndef HF_JOURNAL_AVAILABLE_MEMORY_H
#define HF_JOURNAL_AVAILABLE_MEMORY_H

#include <stdint.h>

/* The least of what the machine has, and what is left below the limits of the control groups (version 2) that this
 * process is in; pages of files count as free. UINT64_MAX: unknown. root: "", or what stands before /proc and /sys. */
uint64_t available_memory_bytes(const char *root);

#endif
