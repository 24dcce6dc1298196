/* The table and the JSON. See report.h. */
#include "tests/bench/report.h"
#include "tests/bench/process.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define OF(field) offsetof(struct bench_sample, field)

/* ---------------------------------------------------------------- table */

static void print_latency(FILE *out, double latency_us) {
  if (isnan(latency_us))
    fprintf(out, " %7s", "-");
  else
    fprintf(out, latency_us < 99.95 ? " %7.1f" : " %7.0f", latency_us);
}

static void print_ratio(FILE *out, struct spread ratio) {
  if (isnan(ratio.median))
    fprintf(out, " %17s", "-");
  else
    fprintf(out, " %5.2f [%4.2f-%5.2f]", ratio.median, ratio.low, ratio.high);
}

/* What a system's rates are set against: Redis driven by the same loop where that is how it was
 * driven. */
static const struct bench_cell *peer_of(const struct bench_report *report,
                                        const struct bench_cell *cell, enum bench_system peer) {
  return cell->system == peer ? NULL
                              : cell_find(report, cell->transport, cell->mode, cell->op, peer);
}

static void print_cell(const struct bench_report *report, const struct bench_cell *cell,
                       FILE *out) {
  static const size_t latencies[] = {OF(p50), OF(p90), OF(p99), OF(p999), OF(max)};
  fprintf(out, "  %-3s %-6s %-20s %9.0f", bench_transport_name(cell->transport),
          bench_op_name(cell->op), bench_system_title(cell->system),
          cell_spread(cell, OF(rate)).median);
  for (size_t i = 0; i < sizeof(latencies) / sizeof(latencies[0]); i++)
    print_latency(out, cell_spread(cell, latencies[i]).median);
  double cpu_us = cell_spread(cell, OF(cpu)).median;
  if (isnan(cpu_us))
    fprintf(out, " %8s", "-");
  else
    fprintf(out, " %8.2f", cpu_us);
  print_ratio(out, cell_ratio(cell, peer_of(report, cell, BENCH_ECHO), OF(rate)));
  print_ratio(out, cell_ratio(cell, peer_of(report, cell, BENCH_REDIS), OF(rate)));
  fputc('\n', out);
}

static void print_mode(const struct bench_report *report, enum bench_mode mode, FILE *out) {
  bool titled = false;
  for (size_t i = 0; i < report->cell_count; i++) {
    const struct bench_cell *cell = &report->cells[i];
    if (cell->mode != mode)
      continue;
    if (!titled)
      fprintf(out, "\n%s\n  %-31s %9s %7s %7s %7s %7s %7s %8s %17s %17s\n", bench_mode_title(mode),
              "", "req/s", "p50 us", "p90", "p99", "p99.9", "max", "cpu us", "rate / echo",
              "rate / redis-b.");
    titled = true;
    print_cell(report, cell, out);
  }
}

static void print_memory(const struct bench_memory *memory, FILE *out) {
  if (memory->entries == 0)
    return;
  fprintf(out, "\nmemory at %llu dict entries, key:000000123 -> small number, bytes per entry\n",
          (unsigned long long)memory->entries);
  fprintf(out, "  holdfast    %6.1f counted by the server   %6.1f resident\n",
          memory->holdfast_counted, memory->holdfast_resident);
  if (memory->redis_counted > 0)
    fprintf(out, "  redis hash  %6.1f used_memory             %6.1f resident\n",
            memory->redis_counted, memory->redis_resident);
}

static void print_growth(const struct bench_growth *growth, FILE *out) {
  if (growth->entries == 0)
    return;
  fprintf(out, "\ngrowth of a dict to %llu entries, microseconds\n",
          (unsigned long long)growth->entries);
  fprintf(out,
          "  one insertion, in process      p50 %.2f  p99.99 %.1f  worst %.1f  (with preemption "
          "%.0f)\n",
          growth->p50, growth->p9999, growth->worst, growth->worst_raw);
  if (growth->ping_worst > 0)
    fprintf(out,
            "  another client's ping, tcp     p99.99 %.0f  worst %.0f while it grows;  "
            "p99.99 %.0f  worst %.0f while it does not\n",
            growth->ping_p9999, growth->ping_worst, growth->rest_p9999, growth->rest_worst);
}

static void print_targets(const struct bench_report *report, FILE *out) {
  struct target targets[TARGETS_MAX];
  size_t count = targets_judge(report, targets);
  if (count > 0)
    fprintf(out, "\ntargets (the operation that does worst; [rounds])\n");
  for (size_t i = 0; i < count; i++) {
    const struct target *target = &targets[i];
    fprintf(out, "  %-6s %-46s %6.2f [%5.2f-%5.2f] %s %s %.2f  %s\n",
            target->met ? "met" : "MISSED", target->name, target->value.median, target->value.low,
            target->value.high, target->unit, target->at_most ? "<=" : ">=", target->limit,
            target->worst_op);
  }
}

void report_print(const struct bench_report *report, FILE *out) {
  fprintf(out,
          "%u rounds of %u ms; medians of the rounds; ratios are taken within a round: median "
          "[least-most]\n",
          report->options->rounds, report->options->duration_ms);
  for (int mode = 0; mode < BENCH_MODE_COUNT; mode++)
    print_mode(report, (enum bench_mode)mode, out);
  print_memory(&report->memory, out);
  print_growth(&report->growth, out);
  print_targets(report, out);
  fflush(out);
}

/* ---------------------------------------------------------------- JSON */

static void write_number(FILE *out, const char *name, double number) {
  if (isnan(number))
    fprintf(out, "\"%s\": null", name);
  else
    fprintf(out, "\"%s\": %.6g", name, number);
}

static void write_spread(FILE *out, const char *name, struct spread spread) {
  fprintf(out, "\"%s\": {", name);
  write_number(out, "median", spread.median);
  fputs(", ", out);
  write_number(out, "low", spread.low);
  fputs(", ", out);
  write_number(out, "high", spread.high);
  fputc('}', out);
}

static void write_cell(FILE *out, const struct bench_report *report,
                       const struct bench_cell *cell) {
  static const struct {
    const char *name;
    size_t offset;
  } fields[] = {{"requests_per_s", OF(rate)}, {"p50_us", OF(p50)},    {"p90_us", OF(p90)},
                {"p99_us", OF(p99)},          {"p99_9_us", OF(p999)}, {"max_us", OF(max)},
                {"server_cpu_us", OF(cpu)}};
  fprintf(out,
          "    {\"transport\": \"%s\", \"mode\": \"%s\", \"operation\": \"%s\", \"system\": \"%s\"",
          bench_transport_name(cell->transport), bench_mode_name(cell->mode),
          bench_op_name(cell->op), bench_system_name(cell->system));
  for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
    fputs(",\n     ", out);
    write_spread(out, fields[i].name, cell_spread(cell, fields[i].offset));
  }
  fputs(",\n     ", out);
  write_spread(out, "rate_to_echo", cell_ratio(cell, peer_of(report, cell, BENCH_ECHO), OF(rate)));
  fputs(",\n     ", out);
  write_spread(out, "rate_to_redis",
               cell_ratio(cell, peer_of(report, cell, BENCH_REDIS), OF(rate)));
  fputs(",\n     \"rounds_requests_per_s\": [", out);
  for (size_t i = 0; i < cell->round_count; i++)
    fprintf(out, "%s%.6g", i == 0 ? "" : ", ", cell->rounds[i].rate);
  fputs("]}", out);
}

static void write_machine(FILE *out, const struct bench_options *options) {
  struct utsname machine;
  uname(&machine);
  fprintf(out, "  \"machine\": {\"cpus\": %ld, \"kernel\": \"%s\", \"architecture\": \"%s\"},\n",
          sysconf(_SC_NPROCESSORS_ONLN), machine.release, machine.machine);
  fprintf(out, "  \"rounds\": %u,\n  \"duration_ms\": %u,\n", options->rounds,
          options->duration_ms);
}

static void write_memory(FILE *out, const struct bench_memory *memory) {
  const char *names[] = {"holdfast_counted", "holdfast_resident", "redis_counted",
                         "redis_resident"};
  const double values[] = {memory->holdfast_counted, memory->holdfast_resident,
                           memory->redis_counted, memory->redis_resident};
  fprintf(out, "  \"memory_bytes_per_entry\": {\"entries\": %llu",
          (unsigned long long)memory->entries);
  for (int i = 0; i < 4; i++) {
    fputs(", ", out);
    write_number(out, names[i], values[i] > 0 ? values[i] : NAN);
  }
  fputs("},\n", out);
}

static void write_growth(FILE *out, const struct bench_growth *growth) {
  const char *names[] = {"p50",
                         "p99_99",
                         "worst",
                         "worst_with_preemption",
                         "ping_p99_99",
                         "ping_worst",
                         "ping_p99_99_at_rest",
                         "ping_worst_at_rest"};
  const double values[] = {growth->p50,        growth->p9999,      growth->worst,
                           growth->worst_raw,  growth->ping_p9999, growth->ping_worst,
                           growth->rest_p9999, growth->rest_worst};
  fprintf(out, "  \"growth_us\": {\"entries\": %llu", (unsigned long long)growth->entries);
  for (int i = 0; i < 8; i++) {
    fputs(", ", out);
    write_number(out, names[i], values[i] > 0 ? values[i] : NAN);
  }
  fputs("},\n", out);
}

static void write_targets(FILE *out, const struct bench_report *report) {
  struct target targets[TARGETS_MAX];
  size_t count = targets_judge(report, targets);
  fputs("  \"targets\": [", out);
  for (size_t i = 0; i < count; i++) {
    fprintf(out,
            "%s\n    {\"name\": \"%s\", \"met\": %s, \"bound\": %s, \"worst_operation\": \"%s\", "
            "\"unit\": \"%s\", ",
            i == 0 ? "" : ",", targets[i].name, targets[i].met ? "true" : "false",
            targets[i].at_most ? "\"at most\"" : "\"at least\"", targets[i].worst_op,
            targets[i].unit);
    write_number(out, "limit", targets[i].limit);
    fputs(", ", out);
    write_spread(out, "value", targets[i].value);
    fputc('}', out);
  }
  fputs("\n  ]\n}\n", out);
}

void report_write_json(const struct bench_report *report, const char *path) {
  FILE *out = fopen(path, "w");
  if (out == NULL)
    bench_fail("%s: %s", path, strerror(errno));
  fputs("{\n", out);
  write_machine(out, report->options);
  fputs("  \"measurements\": [", out);
  for (size_t i = 0; i < report->cell_count; i++) {
    fputs(i == 0 ? "\n" : ",\n", out);
    write_cell(out, report, &report->cells[i]);
  }
  fputs("\n  ],\n", out);
  write_memory(out, &report->memory);
  write_growth(out, &report->growth);
  write_targets(out, report);
  if (fclose(out) != 0)
    bench_fail("%s: %s", path, strerror(errno));
}
