#include "server/durability.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "server/dispatch/dispatch.h"
#include "server/memory/heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRAM "/proc/self/exe"
#define LOG_FLUSH_MS 500
#define LINE_NS (5000 * CLOCK_NS_PER_MS)
#define BAR_CHARACTERS 40

bool durability_lock(struct durability *durability, const struct settings *settings) {
  char error[DATA_ERROR_BYTES];
  durability->lock = (struct data_lock){-1, -1};
  cell_tape_init(&durability->cells);
  if (*settings->data.directory == '\0') {
    return true;
  }
  bool is_locked = data_directory_lock(settings->data.directory, &durability->lock, error);
  if (!is_locked) {
    log_line(LOG_ERROR, "can't start reason=\"%s\"", error);
  }
  return is_locked;
}

/* -------------------------------------------------------------------------------- progress */

struct progress {
  bool is_terminal;
  uint64_t line_ns; /* of the last line */
};

static void draw_bar(unsigned percent, uint64_t commands) {
  char bar[BAR_CHARACTERS + 1];
  for (unsigned i = 0; i < BAR_CHARACTERS; i++) {
    bar[i] = i * 100 < percent * BAR_CHARACTERS ? '#' : '.';
  }
  bar[BAR_CHARACTERS] = '\0';
  fprintf(stderr, "\rloading [%s] %3u %%, %llu commands", bar, percent,
          (unsigned long long)commands);
}

static void show_progress(void *ctx, uint64_t bytes, uint64_t bytes_total, uint64_t commands) {
  struct progress *progress = ctx;
  uint64_t now_ns = clock_now_ns();
  unsigned percent = bytes_total > 0 ? (unsigned)(bytes * 100 / bytes_total) : 100;
  percent = percent < 100 ? percent : 100;
  if (progress->is_terminal) {
    draw_bar(percent, commands);
  } else if (now_ns - progress->line_ns >= LINE_NS) {
    progress->line_ns = now_ns;
    log_line(LOG_INFO, "loading percent=%u commands=%llu", percent, (unsigned long long)commands);
  }
}

/* --------------------------------------------------------------------------------- loading */

static void committed(void *ctx, uint64_t through) {
  dispatch_committed(ctx, through);
}

static bool is_awaited(void *ctx) {
  return dispatch_is_awaited(ctx);
}

static void set_disk_full(void *ctx, bool is_full) {
  log_line(is_full ? LOG_ERROR : LOG_DEBUG, "disk of --data %s",
           is_full ? "is full: what stores is refused" : "has room");
  dispatch_set_disk_full(ctx, is_full);
}

static void deliver(void *ctx, uint64_t connection, const struct sp_route *route,
                    struct reply *reply) {
  dispatch_deliver(ctx, connection, route, reply);
}

static void lost(void *ctx, const char *sentence) {
  (void)ctx;
  log_line(LOG_ERROR, "nothing can be made durable any more, ending reason=\"%s\"", sentence);
  log_stop(LOG_FLUSH_MS);
  _exit(JOURNAL_EXIT);
}

static void run_out(void) {
  lost(NULL, "there is no memory to carry out what the journal has");
}

static void guard(void *ctx, bool is_on) {
  (void)ctx;
  heap_guard(is_on ? run_out : NULL);
}

/* Replay that goes on without memory comes to another state, which looks like a damaged journal. */
static void run_out_while_loading(void) {
  log_line(LOG_ERROR, "can't load the state reason=\"there is not enough memory\"");
  log_stop(LOG_FLUSH_MS);
  _exit(EXIT_FAILURE);
}

static struct journal *open_journal(const struct settings *settings, struct cell_tape *cells,
                                    struct recovered *recovered) {
  char error[RECOVERY_ERROR_BYTES];
  struct progress progress = {isatty(STDERR_FILENO) != 0, clock_now_ns()};
  const struct journal_settings journal_settings = {
      .directory = settings->data.directory,
      .fsync = settings->data.fsync,
      .accept_loss_after = settings->data.accept_loss_after,
      .snapshot_bytes_min = settings->data.snapshot_bytes_min,
      .memory_bytes_max = settings->memory_bytes_max,
      .program = PROGRAM,
      .cells = cells,
  };
  const struct recovery_options options = {.progress = show_progress, .progress_ctx = &progress};
  heap_guard(run_out_while_loading);
  struct journal *journal = journal_open(&journal_settings, &options, recovered, error);
  heap_guard(NULL);
  if (progress.is_terminal) {
    fputc('\n', stderr);
  }
  if (journal == NULL) {
    log_line(LOG_ERROR, "can't load the state reason=\"%s\"", error);
  }
  return journal;
}

bool durability_load(struct durability *durability, const struct settings *settings,
                     const struct cell_host *cells, struct dispatch *dispatch,
                     struct connections *connections, const struct users_settings *users) {
  struct recovered recovered = {0};
  uint64_t start_ns = clock_now_ns();
  if ((durability->journal = open_journal(settings, &durability->cells, &recovered)) == NULL) {
    return false;
  }
  const struct journal_host host = {dispatch, committed,     is_awaited, lost,
                                    deliver,  set_disk_full, guard,      cells};
  if (!journal_start(durability->journal, recovered.engine, &host) ||
      !dispatch_load(dispatch, recovered.engine, engine_now_ns(recovered.engine), recovered.index,
                     journal_log(durability->journal), users)) {
    log_line(LOG_ERROR, "can't start reason=\"out of memory\"");
    return false;
  }
  if (recovered.index == 0) {
    log_line(LOG_WARN, "a new journal begins: the directory is empty directory=%.400s",
             settings->data.directory);
  }
  connections_drop(connections, "the state has been loaded");
  log_line(LOG_INFO, "loaded batches=%llu commands=%llu snapshot=%llu ms=%llu",
           (unsigned long long)recovered.index, (unsigned long long)recovered.commands,
           (unsigned long long)recovered.snapshot_index,
           (unsigned long long)((clock_now_ns() - start_ns) / CLOCK_NS_PER_MS));
  return true;
}

void durability_stop(struct durability *durability) {
  if (durability->journal != NULL) {
    journal_close(durability->journal);
  }
  cell_tape_deinit(&durability->cells);
  data_directory_unlock(&durability->lock);
}
