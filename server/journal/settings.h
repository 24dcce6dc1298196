/* How the state is kept: [data] of the configuration.
 *
 * layer   config; read by server
 * memory  texts are borrowed from the config that made them
 */
#ifndef HF_JOURNAL_SETTINGS_H
#define HF_JOURNAL_SETTINGS_H

#include <stdint.h>

/* When commits are brought to the disk. */
enum journal_fsync {
  FSYNC_ALWAYS,   /* before they are acknowledged */
  FSYNC_INTERVAL, /* in intervals: what may be lost is as old */
  FSYNC_NEVER,    /* when the kernel likes: nothing is lost unless the machine stops */
};

struct fsync_setting {
  enum journal_fsync mode;
  uint32_t interval_ms; /* of FSYNC_INTERVAL */
};

struct data_settings {
  const char *directory; /* "": the state is in memory only */
  struct fsync_setting fsync;
  uint64_t snapshot_bytes_min; /* that the journal grows between two snapshots */
  uint64_t accept_loss_after;  /* 0: damage is refused */
};

#endif
