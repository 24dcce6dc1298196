/* What follows when users or their rights have changed.
 *
 *   user is gone                         its connections are closed, its sessions end
 *   a waiting request lacks a right now  it ends: NO_RIGHT
 *   a session has a lock, permits, reserved items, a pipe's end or a mapped cell of an object that its
 *   user may not write any more          it ends: it could neither give that back nor be kept from it
 *
 * Rights to objects without a name don't change: what a session has or waits for there it keeps.
 *
 * layer   engine
 * cost    all connections, sessions and waiting requests of users, and what those sessions have, in one
 *         command: settings change rarely
 */
#ifndef HF_ENGINE_ENFORCEMENT_H
#define HF_ENGINE_ENFORCEMENT_H

#include "server/engine/core.h"

void core_enforce_rights(struct engine *engine, uint64_t now_ns);

#endif
