/* Where batches are kept: a file of sqlite on one machine; later a log that several machines share.
 *
 * layer   journal
 * threads append, cut and truncate: one at a time; replay: before the first append, or another process
 */
#ifndef HF_JOURNAL_BACKEND_H
#define HF_JOURNAL_BACKEND_H

#include "proto/base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

enum journal_loss {
  JOURNAL_BROKEN, /* a write or sync failed, or what is there is damaged: nothing more is acknowledged */
  JOURNAL_FULL,        /* no room; nothing was written, the same may be tried again */
  JOURNAL_DEPOSED,     /* another one writes this log now */
  JOURNAL_UNAVAILABLE, /* it can't be reached, or memory ran out */
};

/* Notified of what becomes of batches, in their order. */
struct journal_sink {
  void *ctx;
  /* Every batch through this one is durable. */
  void (*committed)(void *ctx, uint64_t through);
  void (*lost)(void *ctx, enum journal_loss why, const char *sentence);
  /* Of replay: the next batch. false: stop. */
  bool (*record)(void *ctx, uint64_t index, struct bytes batch);
};

struct journal_backend;

struct journal_ops {
  /* Hands batches behind `from` to the sink, in order. false: lost was called, or record has answered false. */
  bool (*replay)(struct journal_backend *backend, uint64_t from);
  /* committed or lost is called before it returns. index is one more than the last one's. */
  void (*append)(struct journal_backend *backend, uint64_t index, struct bytes batch);
  /* What was appended until now is a part by itself, which another process may read. */
  bool (*cut)(struct journal_backend *backend);
  /* Removes the parts whose batches are all before `below`. */
  bool (*truncate)(struct journal_backend *backend, uint64_t below);
  /* Bytes that it takes on the disk. */
  uint64_t (*bytes)(const struct journal_backend *backend);
  void (*close)(struct journal_backend *backend);
};

struct journal_backend {
  const struct journal_ops *ops;
  struct journal_sink sink;
};

#endif
