/* The chart: one panel for each mode and transport, a group of bars for each operation, a bar for
 * each system; below them memory and growth. Declared in report.h. */
#include "tests/bench/process.h"
#include "tests/bench/report.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define PANEL_WIDTH 560
#define PANEL_HEIGHT 250
#define PLOT_LEFT 66
#define PLOT_TOP 40
#define PLOT_WIDTH (PANEL_WIDTH - PLOT_LEFT - 24)
#define PLOT_HEIGHT (PANEL_HEIGHT - PLOT_TOP - 40)
#define MARGIN 20
#define HEADER 84
#define GROUPS_MAX 8

static const char *const colors[BENCH_SYSTEM_COUNT] = {"#9aa0a6", "#0b6e99", "#6fb7d6", "#c0392b",
                                                       "#e59a90", "#e67e22", "#7d5ba6"};

/* Where a panel's axis runs: 0 to top, or 10^low to top on a log scale. */
struct panel {
  FILE *out;
  double x, y; /* of its upper left corner */
  double top, low;
  bool logarithmic;
};

static double height_of(const struct panel *panel, double value) {
  if (panel->logarithmic)
    return value <= panel->low
               ? 0
               : PLOT_HEIGHT * log10(value / panel->low) / log10(panel->top / panel->low);
  return PLOT_HEIGHT * value / panel->top;
}

static void write_text(const struct panel *panel, double x, double y, const char *style,
                       const char *text) {
  fprintf(panel->out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">%s</text>\n", panel->x + x,
          panel->y + y, style, text);
}

/* 1,200,000 as "1.2M", 350,000 as "350k", 47.3 as "47". */
static const char *short_number(double number, char text[16]) {
  double scaled = number >= 999500 ? number / 1e6 : number >= 9999.5 ? number / 1e3 : number;
  const char *suffix = number >= 999500 ? "M" : number >= 9999.5 ? "k" : "";
  if (scaled < 10 && scaled != floor(scaled))
    snprintf(text, 16, "%.2g%s", scaled, suffix);
  else
    snprintf(text, 16, "%.0f%s", scaled, suffix);
  return text;
}

static void write_tick(const struct panel *panel, double value) {
  char text[16];
  double y = PLOT_TOP + PLOT_HEIGHT - height_of(panel, value);
  fprintf(panel->out, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" class=\"grid\"/>\n",
          panel->x + PLOT_LEFT, panel->x + PLOT_LEFT + PLOT_WIDTH, panel->y + y, panel->y + y);
  write_text(panel, PLOT_LEFT - 6, y + 4, "tick", short_number(value, text));
}

/* A step of 1, 2 or 5 times a power of ten that gives three to six ticks. */
static double tick_step(double top) {
  double step = pow(10, floor(log10(top)));
  double ticks = top / step;
  return ticks < 1.5 ? step / 5 : ticks < 3 ? step / 2 : ticks < 6 ? step : step * 2;
}

static void open_panel(struct panel *panel, const char *title, const char *unit, double most) {
  if (panel->logarithmic)
    panel->top = pow(10, ceil(log10(most * 1.3)));
  else
    panel->top = most * 1.1;
  write_text(panel, 4, 16, "title", title);
  write_text(panel, 4, 31, "unit", unit);
  if (panel->logarithmic) {
    int decades = (int)lround(log10(panel->top / panel->low));
    for (int i = 0; i <= decades; i++)
      write_tick(panel, panel->low * pow(10, i));
    return;
  }
  double step = tick_step(panel->top);
  for (int i = 0; i * step <= panel->top; i++)
    write_tick(panel, i * step);
}

static void write_bar(const struct panel *panel, double x, double width, double value,
                      const char *color) {
  char text[16];
  double height = height_of(panel, value);
  double y = PLOT_TOP + PLOT_HEIGHT - height;
  fprintf(panel->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n",
          panel->x + PLOT_LEFT + x, panel->y + y, width, height, color);
  write_text(panel, PLOT_LEFT + x + width / 2, y - 3, "value", short_number(value, text));
}

/* What a bar shows: microseconds a request one at a time, else requests a second. */
static double shown_value(const struct bench_cell *cell) {
  double rate = cell_spread(cell, offsetof(struct bench_sample, rate)).median;
  return cell->mode == BENCH_ONE ? 1e6 / rate : rate;
}

/* The tallest bar of the mode on any transport: its panels share one scale. */
static double most_shown(const struct bench_report *report, enum bench_mode mode) {
  double most = 0;
  for (size_t i = 0; i < report->cell_count; i++)
    if (report->cells[i].mode == mode)
      most = fmax(most, shown_value(&report->cells[i]));
  return most;
}

static void draw_group(const struct bench_report *report, const struct panel *panel,
                       enum bench_mode mode, enum bench_transport transport, enum bench_op op,
                       double left, double width) {
  const struct bench_cell *bars[BENCH_SYSTEM_COUNT];
  int count = 0;
  for (int system = 0; system < BENCH_SYSTEM_COUNT; system++) {
    bars[count] = cell_find(report, transport, mode, op, (enum bench_system)system);
    count += bars[count] != NULL;
  }
  double bar_width = fmin(width * 0.9 / (count == 0 ? 1 : count), 40);
  double x = left + (width - bar_width * count) / 2;
  for (int i = 0; i < count; i++)
    write_bar(panel, x + i * bar_width + 0.5, bar_width - 1, shown_value(bars[i]),
              colors[bars[i]->system]);
  if (count > 0)
    write_text(panel, PLOT_LEFT + left + width / 2, PLOT_TOP + PLOT_HEIGHT + 16, "group",
               op == BENCH_QUEUE    ? "queue put, get"
               : op == BENCH_APPEND ? "list append"
               : op == BENCH_GET    ? "dict get"
                                    : "dict set");
}

static void draw_mode(const struct bench_report *report, struct panel *panel, enum bench_mode mode,
                      enum bench_transport transport) {
  char title[96];
  snprintf(title, sizeof(title), "%s, %s", bench_mode_title(mode),
           transport == BENCH_TCP ? "tcp" : "local socket");
  open_panel(panel, title,
             mode == BENCH_ONE ? "microseconds a request: shorter is better"
                               : "requests a second: taller is better",
             most_shown(report, mode));
  double width = (double)PLOT_WIDTH / BENCH_OP_COUNT;
  for (int op = 0; op < BENCH_OP_COUNT; op++)
    draw_group(report, panel, mode, transport, (enum bench_op)op, op * width, width);
}

/* Bars that are groups of their own. */
static void draw_plain(const struct panel *panel, const double *values, const char *const *labels,
                       const char *const *bar_colors, int count) {
  double width = (double)PLOT_WIDTH / count;
  for (int i = 0; i < count; i++) {
    write_bar(panel, i * width + (width - 46) / 2, 46, values[i], bar_colors[i]);
    write_text(panel, PLOT_LEFT + (i + 0.5) * width, PLOT_TOP + PLOT_HEIGHT + 16, "group",
               labels[i]);
  }
}

static void draw_memory(const struct bench_memory *memory, struct panel *panel) {
  static const char *const labels[] = {"holdfast, counted", "redis, used_memory",
                                       "holdfast, resident", "redis, resident"};
  const char *bar_colors[] = {colors[BENCH_HOLDFAST], colors[BENCH_REDIS], colors[BENCH_HOLDFAST],
                              colors[BENCH_REDIS]};
  const double values[] = {memory->holdfast_counted, memory->redis_counted,
                           memory->holdfast_resident, memory->redis_resident};
  double most = 0;
  for (int i = 0; i < 4; i++)
    most = fmax(most, values[i]);
  open_panel(panel, "memory of a dict entry", "bytes per entry: shorter is better", most);
  draw_plain(panel, values, labels, bar_colors, 4);
}

static void draw_growth(const struct bench_growth *growth, struct panel *panel) {
  static const char *const labels[] = {"insert p50", "insert p99.99", "insert worst", "ping worst",
                                       "ping worst, at rest"};
  const char *bar_colors[] = {colors[BENCH_HOLDFAST], colors[BENCH_HOLDFAST],
                              colors[BENCH_HOLDFAST], colors[BENCH_HOLDFAST_RAW],
                              colors[BENCH_ECHO]};
  const double values[] = {growth->p50, growth->p9999, growth->worst, growth->ping_worst,
                           growth->rest_worst};
  double most = 2000;
  for (int i = 0; i < 5; i++)
    most = fmax(most, values[i]);
  panel->logarithmic = true;
  panel->low = 0.01;
  open_panel(panel, "growth of a dict",
             "microseconds, log scale; dashed: the target for an insertion, 2 ms", most);
  draw_plain(panel, values, labels, bar_colors, 5);
  double y = panel->y + PLOT_TOP + PLOT_HEIGHT - height_of(panel, 2000);
  fprintf(panel->out, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" class=\"target\"/>\n",
          panel->x + PLOT_LEFT, panel->x + PLOT_LEFT + PLOT_WIDTH, y, y);
}

static void draw_header(const struct bench_report *report, FILE *out) {
  struct panel page = {.out = out};
  char line[160];
  snprintf(line, sizeof(line),
           "Medians of %u rounds of %u ms each, servers and client on one machine, loopback only",
           report->options->rounds, report->options->duration_ms);
  write_text(&page, MARGIN, 28, "head", "Holdfast: round trips, throughput and memory");
  write_text(&page, MARGIN, 46, "unit", line);
  double x = MARGIN;
  for (int system = 0; system < BENCH_SYSTEM_COUNT; system++) {
    bool used = false;
    for (size_t i = 0; i < report->cell_count; i++)
      used = used || report->cells[i].system == (enum bench_system)system;
    if (!used)
      continue;
    const char *title = bench_system_title((enum bench_system)system);
    fprintf(out, "<rect x=\"%.1f\" y=\"58\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", x,
            colors[system]);
    write_text(&page, x + 17, 68, "legend", title);
    x += 40 + 7.2 * (double)strlen(title);
  }
}

static void draw_all(const struct bench_report *report, struct panel *panel) {
  int row = 0;
  for (int mode = 0; mode < BENCH_MODE_COUNT; mode++) {
    if (most_shown(report, (enum bench_mode)mode) <= 0)
      continue;
    for (int transport = 0; transport < BENCH_TRANSPORT_COUNT; transport++) {
      panel->x = MARGIN + transport * PANEL_WIDTH;
      panel->y = HEADER + row * PANEL_HEIGHT;
      draw_mode(report, panel, (enum bench_mode)mode, (enum bench_transport)transport);
    }
    row++;
  }
  panel->y = HEADER + row * PANEL_HEIGHT;
  panel->x = MARGIN;
  if (report->memory.entries > 0)
    draw_memory(&report->memory, panel);
  panel->x = MARGIN + PANEL_WIDTH;
  if (report->growth.entries > 0)
    draw_growth(&report->growth, panel);
}

static int rows_needed(const struct bench_report *report) {
  int rows = report->memory.entries > 0 || report->growth.entries > 0;
  for (int mode = 0; mode < BENCH_MODE_COUNT; mode++)
    rows += most_shown(report, (enum bench_mode)mode) > 0;
  return rows;
}

void report_write_svg(const struct bench_report *report, const char *path) {
  struct panel panel = {.out = fopen(path, "w")};
  if (panel.out == NULL)
    bench_fail("%s: %s", path, strerror(errno));
  int width = 2 * MARGIN + 2 * PANEL_WIDTH,
      height = HEADER + MARGIN + rows_needed(report) * PANEL_HEIGHT;
  fprintf(panel.out,
          "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d "
          "%d\">\n",
          width, height, width, height);
  fputs(
      "<style>text{font-family:sans-serif;font-size:11px;fill:#202124}.head{font-size:19px;font-"
      "weight:bold}"
      ".title{font-size:13px;font-weight:bold}.unit{fill:#5f6368}.tick{text-anchor:end;fill:#"
      "5f6368}"
      ".value{text-anchor:middle;font-size:8.5px}.group{text-anchor:middle}.legend{font-size:12px}"
      ".grid{stroke:#dadce0;stroke-width:1}.target{stroke:#202124;stroke-dasharray:5 4}</style>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      panel.out);
  draw_header(report, panel.out);
  draw_all(report, &panel);
  fputs("</svg>\n", panel.out);
  if (fclose(panel.out) != 0)
    bench_fail("%s: %s", path, strerror(errno));
}
