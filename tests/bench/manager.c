/* See manager.h. */
#include "tests/bench/manager.h"

#include "tests/bench/process.h"

#include <math.h>
#include <string.h>
#include <sys/wait.h>

void manager_start(struct manager *manager, enum bench_transport transport) {
  const char *argv[] = {"python3", BENCH_MANAGER_SCRIPT, bench_transport_name(transport), NULL};
  int to, from;
  char line[64];
  manager->pid = process_start_piped(argv, &to, &from);
  manager->to = fdopen(to, "w");
  manager->from = fdopen(from, "r");
  if (manager->to == NULL || manager->from == NULL ||
      fgets(line, sizeof(line), manager->from) == NULL || strcmp(line, "ready\n") != 0)
    bench_fail("%s did not start", BENCH_MANAGER_SCRIPT);
}

void manager_stop(struct manager *manager) {
  if (manager->pid <= 0)
    return;
  fputs("stop\n", manager->to);
  fclose(manager->to);
  waitpid(manager->pid, NULL, 0);
  fclose(manager->from);
  manager->pid = 0;
}

struct bench_sample manager_run(struct manager *manager, enum bench_op op, unsigned process_count,
                                unsigned duration_ms) {
  struct bench_sample sample;
  fprintf(manager->to, "%s %u %u\n", bench_op_name(op), duration_ms, process_count);
  fflush(manager->to);
  if (fscanf(manager->from, "%lf %lf %lf %lf %lf %lf", &sample.rate, &sample.p50, &sample.p90,
             &sample.p99, &sample.p999, &sample.max) != 6)
    bench_fail("%s answered no numbers", BENCH_MANAGER_SCRIPT);
  sample.cpu = NAN; /* its server is a grandchild; not asked for */
  sample.count = NAN;
  return sample;
}
