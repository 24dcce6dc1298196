/* The server's side of a cell's lock: proto/cell_layout.h describes the handshake with local threads.
 * The functions are those of struct cell_host (server/engine/cell_host.h).
 *
 * layer   cells
 * threads as the engine, under its lock; clients change the header at any time
 * source  the kernel's handle_futex_death: robust-mutex recovery (EOWNERDEAD)
 */
#ifndef HF_CELLS_CELL_LOCK_H
#define HF_CELLS_CELL_LOCK_H

#include "proto/cell_layout.h"
#include "server/cells/orphans.h"
#include "server/engine/cell_host.h"

/* Inits the mutex, before a client has the cell mapped. false: not supported. */
bool cell_lock_init(struct cell_header *header);
void cell_lock_request(struct cell_header *header);
bool cell_lock_acquire_for_server(struct cell_header *header);
void cell_lock_return(struct cell_header *header, bool owner_died);
bool cell_lock_is_owned(const struct cell_header *header);
bool cell_lock_is_owned_by(const struct cell_header *header, const struct cell_kernel *kernel,
                           uint64_t process);
bool cell_lock_validate_owner(struct cell_header *header, const struct cell_kernel *kernel,
                              const struct orphans *orphans, struct cell_owners *owners);
bool cell_lock_take_death(struct cell_header *header);

#endif
