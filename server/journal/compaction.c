#include "server/journal/compaction.h"

#include "proto/base/clock.h"
#include "server/journal/recovery.h"
#include "server/journal/snapshot_taking.h"
#include "server/journal/sqlite_backend.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/ioprio.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int refuse(const char *error) {
  fprintf(stderr, "%s\n", error);
  return EXIT_FAILURE;
}

/* The server comes first, for processors and for the disk. */
static void stand_back(void) {
  const struct sched_param none = {0};
  (void)sched_setscheduler(0, SCHED_IDLE, &none);
  (void)setpriority(PRIO_PROCESS, 0, 19);
  (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
  int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (file >= 0) {
    (void)!write(file, "1000", 4); /* the first to go when memory runs out */
    close(file);
  }
}

/* Ends with the server. One that ended before has closed its end of the pipe already. */
static bool has_parent(void) {
  struct pollfd out = {.fd = STDOUT_FILENO};
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  return poll(&out, 1, 0) == 0 || !(out.revents & POLLERR);
}

static void record_loss(void *ctx, enum journal_loss why, const char *sentence) {
  (void)why;
  snprintf(ctx, RECOVERY_ERROR_BYTES, "%s", sentence);
}

static bool recover(const char *directory, uint64_t through, struct cell_tape *cells,
                    struct recovered *recovered, char error[RECOVERY_ERROR_BYTES]) {
  const struct sqlite_options sqlite = {.directory = directory, .is_read_only = true};
  const struct journal_sink sink = {.ctx = error, .lost = record_loss};
  struct journal_backend *backend = sqlite_backend_open(&sqlite, &sink);
  if (backend == NULL) {
    return false;
  }
  const struct recovery_options options = {
      .directory = directory, .backend = backend, .cells = cells, .through = through};
  bool is_recovered = recovery_run(&options, recovered, error);
  backend->ops->close(backend);
  return is_recovered;
}

int compaction_main(const char *directory, uint64_t through) {
  char error[RECOVERY_ERROR_BYTES] = "";
  static struct recovered recovered; /* nothing is freed: memory goes with the process */
  static struct cell_tape cells;
  cell_tape_init(&cells);
  if (!has_parent()) {
    return EXIT_FAILURE;
  }
  stand_back();
  if (!recover(directory, through, &cells, &recovered, error)) {
    return refuse(error);
  }
  const struct snapshot_point point = {recovered.index, recovered.epoch, recovered.replies};
  if (!snapshot_take(directory, recovered.engine, &point, CLOCK_NEVER, error)) {
    return refuse(error);
  }
  printf("%" PRIu64 "\n", recovered.index);
  return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
