/* See targets.h. */
#include "tests/bench/targets.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const struct bench_cell *cell_find(const struct bench_report *report,
                                   enum bench_transport transport, enum bench_mode mode,
                                   enum bench_op op, enum bench_system system) {
  for (size_t i = 0; i < report->cell_count; i++) {
    const struct bench_cell *cell = &report->cells[i];
    if (cell->transport == transport && cell->mode == mode && cell->op == op &&
        cell->system == system)
      return cell;
  }
  return NULL;
}

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static struct spread spread_of(double *values, size_t count) {
  if (count == 0)
    return (struct spread){NAN, NAN, NAN};
  qsort(values, count, sizeof(*values), compare_doubles);
  double median =
      count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
  return (struct spread){median, values[0], values[count - 1]};
}

struct spread cell_spread(const struct bench_cell *cell, size_t offset) {
  double values[BENCH_ROUNDS_MAX];
  for (size_t i = 0; i < cell->round_count; i++)
    values[i] = *(const double *)((const char *)&cell->rounds[i] + offset);
  return spread_of(values, cell->round_count);
}

static double field_of(const struct bench_sample *sample, size_t offset) {
  return *(const double *)((const char *)sample + offset);
}

struct spread cell_ratio(const struct bench_cell *cell, const struct bench_cell *other,
                         size_t offset) {
  double values[BENCH_ROUNDS_MAX];
  size_t count = 0;
  if (other != NULL)
    for (; count < cell->round_count && count < other->round_count; count++)
      values[count] =
          field_of(&cell->rounds[count], offset) / field_of(&other->rounds[count], offset);
  return spread_of(values, count);
}

/* ---------------------------------------------------------------- targets */

/* What is compared: times (at most) or rates (at least), for every operation; the worst is kept.
 * Times are means: a round trip has two modes here, about 7 us while the other side's processor is
 * still awake and about 75 us when it has to be woken, and a median jumps from one to the other. */
enum measure { TIME, RATE };

struct comparison {
  const char *name;
  enum bench_mode mode;
  enum bench_system of, to;
  enum measure measure;
  double limit;
};

static const struct comparison comparisons[] = {
    {"call / bare echo, time", BENCH_ONE, BENCH_HOLDFAST, BENCH_ECHO, TIME, 1.4},
    {"call / Redis -c 1, time", BENCH_ONE, BENCH_HOLDFAST, BENCH_REDIS, TIME, 1.2},
    {"call / Redis, same loop, time", BENCH_ONE, BENCH_HOLDFAST, BENCH_REDIS_RAW, TIME, 1.2},
    {"64 in flight / Redis -P 64, rate", BENCH_PIPELINE, BENCH_HOLDFAST, BENCH_REDIS, RATE, 1.0},
    {"50 clients / Redis -c 50, rate", BENCH_MANY, BENCH_HOLDFAST, BENCH_REDIS, RATE, 1.0},
    {"50 clients / Redis, same loop, rate", BENCH_MANY, BENCH_HOLDFAST, BENCH_REDIS_RAW, RATE, 1.0},
};

static struct spread compare(const struct bench_cell *of, const struct bench_cell *to,
                             enum measure measure) {
  size_t rate = offsetof(struct bench_sample, rate);
  return measure == TIME ? cell_ratio(to, of, rate) : cell_ratio(of, to, rate);
}

static bool meets(const struct target *target) {
  return target->at_most ? target->value.median <= target->limit
                         : target->value.median >= target->limit;
}

static bool judge_comparison(const struct bench_report *report, enum bench_transport transport,
                             const struct comparison *comparison, struct target *target) {
  *target = (struct target){.at_most = comparison->measure != RATE,
                            .limit = comparison->limit,
                            .unit = "x",
                            .value.median = NAN,
                            .worst_op = ""};
  snprintf(target->name, sizeof(target->name), "%s %s", bench_transport_name(transport),
           comparison->name);
  for (int op = 0; op < BENCH_OP_COUNT; op++) {
    const struct bench_cell *of =
        cell_find(report, transport, comparison->mode, (enum bench_op)op, comparison->of);
    const struct bench_cell *to =
        cell_find(report, transport, comparison->mode, (enum bench_op)op, comparison->to);
    if (of == NULL || to == NULL)
      continue;
    struct spread ratio = compare(of, to, comparison->measure);
    bool worse =
        target->at_most ? ratio.median > target->value.median : ratio.median < target->value.median;
    if (isnan(target->value.median) || worse) {
      target->value = ratio;
      target->worst_op = bench_op_name((enum bench_op)op);
    }
  }
  target->met = meets(target);
  return !isnan(target->value.median);
}

static void judge_number(struct target *target, const char *name, double limit, double value,
                         const char *unit) {
  *target = (struct target){.at_most = true,
                            .limit = limit,
                            .value = {value, value, value},
                            .unit = unit,
                            .worst_op = ""};
  snprintf(target->name, sizeof(target->name), "%s", name);
  target->met = meets(target);
}

size_t targets_judge(const struct bench_report *report, struct target targets[TARGETS_MAX]) {
  size_t count = 0;
  for (int transport = 0; transport < BENCH_TRANSPORT_COUNT; transport++)
    for (size_t i = 0; i < sizeof(comparisons) / sizeof(comparisons[0]); i++)
      if (judge_comparison(report, (enum bench_transport)transport, &comparisons[i],
                           &targets[count]))
        count++;
  const struct bench_memory *memory = &report->memory;
  if (memory->redis_counted > 0) {
    judge_number(&targets[count++], "bytes per dict entry / Redis hash, counted", 1.0,
                 memory->holdfast_counted / memory->redis_counted, "x");
    judge_number(&targets[count++], "bytes per dict entry / Redis hash, resident", 1.0,
                 memory->holdfast_resident / memory->redis_resident, "x");
  }
  if (report->growth.entries > 0)
    judge_number(&targets[count++], "slowest insertion into a growing dict", 2.0,
                 report->growth.worst / 1e3, "ms");
  return count;
}
