/* What cells ask of the kernel: futexes and thread ids.
 *
 * layer   cells
 * threads any
 */
#ifndef HF_CELLS_KERNEL_H
#define HF_CELLS_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

struct cell_kernel {
  void *ctx;
  /* Wakes all threads that wait for the futex `word`, in every process. */
  void (*wake)(void *ctx, void *word);
  /* Whether the process may have a thread of that id now; true if the kernel does not say. */
  bool (*has_thread)(void *ctx, uint64_t process, uint32_t thread);
};

/* This machine's kernel. */
extern const struct cell_kernel cell_kernel;

#endif
