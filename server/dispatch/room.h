/* Back-pressure of the log: requests that may add to it wait until commits have made room.
 *
 *   room_await --true--> the batch is applied
 *              --false-> its connection waits for ROOM_PAUSE_NS, and the thread serves others
 *
 * A request that only reads, or that a full disk refuses, needs no room.
 *
 * layer   dispatch
 * threads any, without the engine's lock
 * limits  JOURNAL_BATCH_BYTES_MAX in the log's batch, HOLDING_BYTES_MAX of replies that wait; a thread waits for
 *         5 ms at most, and not at all while the disk is full
 */
#ifndef HF_DISPATCH_ROOM_H
#define HF_DISPATCH_ROOM_H

#include "proto/base/clock.h"
#include "server/dispatch/batch.h"
#include "server/dispatch/command_log.h"
#include "server/dispatch/holding.h"

#define ROOM_PAUSE_NS (10 * CLOCK_NS_PER_MS)

/* Whether the log would have more by it. */
bool room_is_needed(const struct engine_request *request, bool is_disk_full);
/* For the batch's requests from `first` on. */
bool room_await(const struct command_log *log, struct holding *holding, bool is_disk_full,
                const struct batch *batch, size_t first);

#endif
