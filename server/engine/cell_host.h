/* Values and arrays in shared memory, as the engine sees them: a table of functions that it is
 * handed. The engine itself knows no segment, futex or thread id; server/cells implements the table.
 *
 * layer   engine: declared here, implemented above
 * threads All functions but `write` are called under the engine's lock, so one at a time. None
 *         blocks, waits for a client, or calls the engine, except `next` of struct cell_owners.
 * memory  The host owns the memory of a cell until `release` or `retire`. Pointers are borrowed.
 *
 * Arguments and results are values: numbers, elements, answers. The engine never follows `header`.
 * What is answered depends on memory that clients write, so it is no state of the engine: see
 * server/decisions/46-cells-behind-a-table.md for what a replay can know of it.
 */
#ifndef HF_ENGINE_CELL_HOST_H
#define HF_ENGINE_CELL_HOST_H

#include "proto/cell_type.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cell_header; /* proto/cell_layout.h */

/* Where a cell lies: a header, then its elements. */
struct cell_location {
  uint64_t segment;           /* its id: never used again, not even by a later server */
  uint64_t offset;            /* of the header */
  size_t bytes;               /* at least what was asked for */
  struct cell_header *header; /* the host's own */
};

/* The processes that may have a thread which locked a cell, one in each call. */
struct cell_owners {
  /* false: there are no more. Called by the host, within validate_owner. */
  bool (*next)(struct cell_owners *owners, uint64_t *process);
};

struct cell_host {
  void *ctx;

  /* ---- memory */

  /* An object is opened by a client that can map it. Elements are zero, the mutex is free.
   * false: no room, by memory or limits. */
  bool (*create)(void *ctx, uint64_t object, size_t element_bytes, struct cell_location *location);
  /* The last reference is gone. The slot is given to another cell again, as late as possible. Another
   * thread reclaims the memory. */
  void (*release)(void *ctx, const struct cell_location *location);
  /* The same while a process may still write there: the slot is never given to another cell. */
  void (*retire)(void *ctx, const struct cell_location *location);
  /* Cells that were neither released nor retired; for ServerInfo. */
  size_t (*count)(void *ctx);

  /* ---- elements: [idx, idx + count) are within the cell, the engine checked that */

  /* A handler reads or stores an element's bits, as a whole. */
  uint64_t (*load)(void *ctx, const struct cell_location *location, const struct cell_type *type,
                   size_t idx);
  void (*store)(void *ctx, const struct cell_location *location, const struct cell_type *type,
                size_t idx, uint64_t bits);
  /* The same for many, each as a whole; as cell_read_range and cell_write_range (proto/cell.h).
   * `write` is also called by a job, without the engine's lock, on a cell that no client knows. */
  void (*read)(void *ctx, const struct cell_location *location, const struct cell_type *type,
               size_t idx, size_t count, void *elements);
  void (*write)(void *ctx, const struct cell_location *location, const struct cell_type *type,
                size_t idx, size_t count, const void *elements);
  /* As cell_add and cell_compare_and_set (proto/cell.h), which retry a bounded number of times. */
  hf_reason (*add)(void *ctx, const struct cell_location *location, const struct cell_type *type,
                   size_t idx, bool is_locked, struct value amount, uint64_t *sum);
  hf_reason (*compare_and_set)(void *ctx, const struct cell_location *location,
                               const struct cell_type *type, size_t idx, bool is_locked,
                               struct value expected, struct value desired, bool *swapped,
                               uint64_t *found);

  /* ---- the lock: local threads lock the cell's mutex until the server requests it */

  /* A request needs the lock. From now on every local thread that locks the mutex unlocks it again
   * and asks the server. */
  void (*request_lock)(void *ctx, const struct cell_location *location);
  /* After request_lock. true: no thread has the mutex, so the lock is the server's until
   * return_lock. */
  bool (*acquire_lock)(void *ctx, const struct cell_location *location);
  /* No request needs the lock any more. owner_died: the next owner is to be notified. */
  void (*return_lock)(void *ctx, const struct cell_location *location, bool owner_died);
  /* Whether a local thread has the mutex, as far as the memory says. */
  bool (*is_locked)(void *ctx, const struct cell_location *location);
  /* The same of a thread of that process. */
  bool (*is_locked_by)(void *ctx, const struct cell_location *location, uint64_t process);
  /* Requests wait for the lock. If the owner is a thread of none of `owners`, nor of an orphan, it
   * counts as dead from now on, and threads that wait for the mutex are woken. Whether `owners` was
   * asked to its end. */
  bool (*validate_owner)(void *ctx, const struct cell_location *location,
                         struct cell_owners *owners);
  /* A session that had cells ends without a goodbye. Its process may live on as an orphan, whose
   * threads lock and unlock as before. */
  void (*add_orphan)(void *ctx, uint64_t process);
  /* A request gets the lock. Whether an owner died with the lock and no later owner was notified;
   * clears that, because the caller notifies this owner. */
  bool (*take_death)(void *ctx, const struct cell_location *location);

  /* ---- changes */

  /* Requests wait for a change of the value, which is read after this; local threads that store
   * notify the server. Until unwatch. */
  void (*watch)(void *ctx, const struct cell_location *location);
  void (*unwatch)(void *ctx, const struct cell_location *location);
  /* An element was stored: wakes local threads that wait for a change. */
  void (*changed)(void *ctx, const struct cell_location *location);
  /* The object is deleted: local threads see it in their next call. */
  void (*end)(void *ctx, const struct cell_location *location);
};

#endif
