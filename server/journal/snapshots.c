#include "server/journal/snapshots.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "server/journal/available_memory.h"
#include "server/journal/data_directory.h"
#include "server/journal/journal_part.h"
#include "server/journal/snapshot_file.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HOUR_NS (3600 * 1000 * CLOCK_NS_PER_MS)

/* ---- is there room? */

/* Of this process, which has the state. */
static uint64_t resident_memory_bytes(void) {
  unsigned long long pages = 0;
  FILE *file = fopen("/proc/self/statm", "re");
  if (file) {
    (void)!fscanf(file, "%*u %llu", &pages);
    (void)fclose(file);
  }
  return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool has_memory(struct snapshots *snapshots, uint64_t now_ns) {
  uint64_t wanted = resident_memory_bytes() / 100 * SNAPSHOT_MEMORY_PERCENT;
  uint64_t available = available_memory_bytes("");
  if (available >= wanted) {
    return true;
  }
  if (snapshots->short_of_memory_ns == 0 || now_ns - snapshots->short_of_memory_ns >= HOUR_NS) {
    snapshots->short_of_memory_ns = now_ns;
    log_line(
        LOG_WARN,
        "no snapshot is made, and the journal grows reason=\"%llu MiB of memory are available, "
        "and it may take %llu; ask for one when there is more\"",
        (unsigned long long)(available >> 20), (unsigned long long)(wanted >> 20));
  }
  return false;
}

/* ---- one snapshot */

static void back_off(struct snapshots *snapshots, uint64_t now_ns) {
  uint64_t ms = SNAPSHOT_RETRY_MS;
  for (uint32_t i = 0; i < snapshots->failures && ms < SNAPSHOT_RETRY_MS_MAX; i++) {
    ms *= 2;
  }
  ms = ms < SNAPSHOT_RETRY_MS_MAX ? ms : SNAPSHOT_RETRY_MS_MAX;
  snapshots->failures++;
  snapshots->retry_ns = now_ns + ms * CLOCK_NS_PER_MS;
}

/* Of the journal, that make one due. */
static uint64_t due_bytes(const struct snapshots *snapshots) {
  uint64_t half = snapshots->bytes / 2;
  return half > snapshots->bytes_min ? half : snapshots->bytes_min;
}

/* Of the journal, that no snapshot has. */
static uint64_t new_bytes(const struct snapshots *snapshots, uint64_t journal_bytes) {
  uint64_t obsolete = snapshots->obsolete_bytes;
  return journal_bytes > obsolete ? journal_bytes - obsolete : 0;
}

bool snapshots_are_wanted(const struct snapshots *snapshots, uint64_t journal_bytes) {
  return snapshots_are_under_way(snapshots) ||
         new_bytes(snapshots, journal_bytes) >= due_bytes(snapshots);
}

bool snapshots_is_behind(const struct snapshots *snapshots, uint64_t journal_bytes) {
  return snapshots->is_running && new_bytes(snapshots, journal_bytes) >= 2 * due_bytes(snapshots);
}

/* Whether so much of the journal is worth one. */
static bool is_worth_one(const struct snapshots *snapshots,
                         const struct snapshots_journal *journal) {
  uint64_t bytes = new_bytes(snapshots, journal->bytes);
  if (journal->is_disk_full) {
    return bytes >= SNAPSHOT_BYTES_FULL &&
           data_directory_free_bytes(snapshots->directory) >= 2 * SNAPSHOT_LEAVES_BYTES;
  }
  return bytes >= due_bytes(snapshots);
}

/* What failed for want of room may succeed. */
static void record_disk(struct snapshots *snapshots, bool is_full) {
  if (snapshots->is_full && !is_full) {
    snapshots->failures = 0;
    snapshots->retry_ns = 0;
  }
  snapshots->is_full = is_full;
}

static bool is_due(struct snapshots *snapshots, const struct snapshots_journal *journal) {
  uint64_t now_ns = clock_now_ns();
  if (journal->committed <= snapshots->index) { /* there is nothing new */
    snapshots->is_requested = false;
    return false;
  }
  if (snapshots->is_requested) {
    return true;
  }
  if (now_ns < snapshots->retry_ns || !is_worth_one(snapshots, journal)) {
    return false;
  }
  if (!has_memory(snapshots, now_ns)) {
    snapshots->retry_ns = now_ns + SNAPSHOT_RETRY_MS * CLOCK_NS_PER_MS;
    return false;
  }
  return true;
}

static void begin(struct snapshots *snapshots, struct journal_backend *backend,
                  const struct snapshots_journal *journal) {
  snapshots->is_running = true; /* before: it is under way all the time */
  snapshots->is_requested = false;
  if (!backend->ops->cut(backend)) {
    snapshots->is_running = false;
  } else {
    snapshots->began_ns = clock_now_ns();
    snapshots->began_bytes = journal->bytes;
    compactor_run(&snapshots->compactor, journal->committed);
  }
}

static void record_end_of_process(void *ctx, uint64_t index) {
  struct snapshots *snapshots = ctx;
  snapshots->ended = index;
  snapshots->has_ended = true;
  snapshots->wake(snapshots->ctx);
}

static void read_newest(struct snapshots *snapshots, uint64_t index) {
  char path[PATH_MAX];
  struct stat status;
  snprintf(path, sizeof path, "%s/" SNAPSHOT_PREFIX "%llu", snapshots->directory,
           (unsigned long long)index);
  bool is_there = index > 0 && stat(path, &status) == 0;
  snapshots->bytes = is_there ? (uint64_t)status.st_size : 0;
  snapshots->made_s = is_there ? status.st_mtim.tv_sec : 0;
  snapshots->index = index;
}

/* A backup reads the directory. */
static void keep_obsolete(struct snapshots *snapshots) {
  uint64_t now_ns = clock_now_ns();
  if (snapshots->kept_ns == 0) {
    snapshots->kept_ns = now_ns;
    snapshots->kept_log_ns = now_ns + KEPT_LOG_MS * CLOCK_NS_PER_MS;
  } else if (now_ns >= snapshots->kept_log_ns) {
    snapshots->kept_log_ns = now_ns + KEPT_LOG_MS * CLOCK_NS_PER_MS;
    log_line(
        LOG_WARN,
        "obsolete parts of the journal are kept reason=\"a backup has read them for %llu s; end it "
        "if it stands still\"",
        (unsigned long long)((now_ns - snapshots->kept_ns) / CLOCK_NS_PER_MS / 1000));
  }
}

/* Whether parts of the journal were removed. Not while a backup reads them. */
static bool remove_obsolete(struct snapshots *snapshots, struct journal_backend *backend) {
  int removal = data_directory_begin_removal(snapshots->directory);
  if (removal < 0) {
    keep_obsolete(snapshots);
    return false;
  }
  snapshots->kept_ns = 0;
  snapshot_file_remove_older(snapshots->directory, snapshots->index);
  bool is_removed = backend->ops->truncate(backend, snapshots->index + 1);
  snapshots->has_obsolete = !is_removed; /* there may have been no room for the next part */
  if (is_removed) {
    snapshots->began_bytes = new_bytes(snapshots, snapshots->began_bytes);
    snapshots->obsolete_bytes = 0;
  }
  close(removal);
  return is_removed;
}

/* Whether parts of the journal were removed. */
static bool end(struct snapshots *snapshots, struct journal_backend *backend) {
  uint64_t now_ns = clock_now_ns(), index = snapshots->ended;
  snapshots->has_ended = false;
  if (index <= snapshots->index) {
    snapshot_file_remove_unfinished(snapshots->directory); /* of a process that was killed */
    snapshots->is_running = false;
    back_off(snapshots, now_ns);
    log_line(LOG_ERROR, "no snapshot was made, the journal is kept retry_ms=%llu",
             (unsigned long long)((snapshots->retry_ns - now_ns) / CLOCK_NS_PER_MS));
    return false;
  }
  snapshots->failures = 0;
  snapshots->has_obsolete = true;
  snapshots->obsolete_bytes = snapshots->began_bytes;
  read_newest(snapshots, index);
  snapshots->is_running = false; /* then the new one is seen */
  log_line(LOG_INFO, "snapshot index=%llu bytes=%llu ms=%llu", (unsigned long long)index,
           (unsigned long long)snapshots->bytes,
           (unsigned long long)((now_ns - snapshots->began_ns) / CLOCK_NS_PER_MS));
  return remove_obsolete(snapshots, backend);
}

bool snapshots_step(struct snapshots *snapshots, struct journal_backend *backend,
                    const struct snapshots_journal *journal) {
  record_disk(snapshots, journal->is_disk_full);
  if (snapshots->has_ended) {
    return end(snapshots, backend);
  }
  if (snapshots->has_obsolete) {
    bool is_removed = remove_obsolete(snapshots, backend);
    if (is_removed || snapshots->kept_ns == 0) {
      return is_removed;
    }
  }
  if (!snapshots->is_running && is_due(snapshots, journal)) {
    begin(snapshots, backend, journal);
  }
  return false;
}

/* ---- the rest */

bool snapshots_start(struct snapshots *snapshots, const char *program, const char *directory,
                     uint64_t bytes_min, uint64_t index, void (*wake)(void *ctx), void *ctx) {
  *snapshots = (struct snapshots){.directory = directory,
                                  .bytes_min = bytes_min ? bytes_min : SNAPSHOT_BYTES_MIN,
                                  .has_obsolete = true, /* of the last server, maybe */
                                  .wake = wake,
                                  .ctx = ctx};
  part_remove_unfinished(directory);
  read_newest(snapshots, index);
  return compactor_start(&snapshots->compactor, program, directory, record_end_of_process,
                         snapshots);
}

void snapshots_request(struct snapshots *snapshots) {
  snapshots->is_requested = true;
  snapshots->wake(snapshots->ctx);
}

bool snapshots_are_under_way(const struct snapshots *snapshots) {
  return snapshots->is_requested || snapshots->is_running;
}

uint64_t snapshots_age_ms(const struct snapshots *snapshots) {
  struct timespec now;
  int64_t made_s = snapshots->made_s;
  clock_gettime(CLOCK_REALTIME, &now);
  if (made_s == 0) {
    return UINT64_MAX;
  }
  return now.tv_sec > made_s ? (uint64_t)(now.tv_sec - made_s) * 1000
                             : 0; /* the clock may have been set */
}

void snapshots_stop(struct snapshots *snapshots) {
  compactor_stop(&snapshots->compactor);
}
