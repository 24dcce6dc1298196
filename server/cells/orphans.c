#include "server/cells/orphans.h"

static bool lives(const struct cell_kernel *kernel, uint64_t process) {
  return kernel->has_thread(kernel->ctx, process, (uint32_t)process);
}

static void drop_ended(struct orphans *orphans, const struct cell_kernel *kernel) {
  uint64_t position = 0, process;
  void *unused;
  while (map64_next(&orphans->processes, &position, &process, &unused)) {
    if (!lives(kernel, process)) {
      map64_remove(&orphans->processes, process);
    }
  }
}

void orphans_add(struct orphans *orphans, const struct cell_kernel *kernel, uint64_t process) {
  drop_ended(orphans, kernel);
  if (lives(kernel, process) && !map64_set(&orphans->processes, process, orphans)) {
    orphans->is_incomplete = true;
  }
}

bool orphans_have_thread(const struct orphans *orphans, const struct cell_kernel *kernel,
                         uint32_t thread) {
  uint64_t position = 0, process;
  void *unused;
  while (map64_next(&orphans->processes, &position, &process, &unused)) {
    if (kernel->has_thread(kernel->ctx, process, thread)) {
      return true;
    }
  }
  return orphans->is_incomplete;
}

void orphans_deinit(struct orphans *orphans) {
  map64_deinit(&orphans->processes);
}
