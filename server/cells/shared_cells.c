#include "server/cells/shared_cells.h"

#include "proto/cell.h"
#include "server/cells/cell_lock.h"

#include <string.h>

/* ---- locations */

static void release(void *ctx, const struct cell_location *location) {
  const struct shared_cells *cells = ctx;
  cells->source.release(cells->source.ctx, location);
}

static bool create(void *ctx, uint64_t object, size_t element_bytes,
                   struct cell_location *location) {
  const struct shared_cells *cells = ctx;
  if (!cells->source.allocate(cells->source.ctx, CELL_HEADER_BYTES + element_bytes, location)) {
    return false;
  }
  if (!cell_lock_init(location->header)) {
    release(ctx, location);
    return false;
  }
  atomic_store(&location->header->owner, (uint32_t)object);
  return true;
}

static void retire(void *ctx, const struct cell_location *location) {
  const struct shared_cells *cells = ctx;
  cells->source.retire(cells->source.ctx, location);
}

static size_t count_cells(void *ctx) {
  const struct shared_cells *cells = ctx;
  return cells->source.count(cells->source.ctx);
}

/* ---- elements */

static void *elements_of(const struct cell_location *location) {
  return (char *)location->header + CELL_HEADER_BYTES;
}

static uint64_t load(void *ctx, const struct cell_location *location, const struct cell_type *type,
                     size_t idx) {
  (void)ctx;
  return cell_read(type, elements_of(location), idx);
}

static void store(void *ctx, const struct cell_location *location, const struct cell_type *type,
                  size_t idx, uint64_t bits) {
  (void)ctx;
  cell_write(type, elements_of(location), idx, bits);
}

static void read_elements(void *ctx, const struct cell_location *location,
                          const struct cell_type *type, size_t idx, size_t count, void *elements) {
  (void)ctx;
  cell_read_range(type, elements_of(location), idx, count, elements);
}

static void write_elements(void *ctx, const struct cell_location *location,
                           const struct cell_type *type, size_t idx, size_t count,
                           const void *elements) {
  (void)ctx;
  cell_write_range(type, elements_of(location), idx, count, elements);
}

static hf_reason add(void *ctx, const struct cell_location *location, const struct cell_type *type,
                     size_t idx, bool is_locked, struct value amount, uint64_t *sum) {
  (void)ctx;
  return cell_add(type, elements_of(location), idx, is_locked, amount, sum);
}

static hf_reason compare_and_set(void *ctx, const struct cell_location *location,
                                 const struct cell_type *type, size_t idx, bool is_locked,
                                 struct value expected, struct value desired, bool *swapped,
                                 uint64_t *found) {
  (void)ctx;
  return cell_compare_and_set(type, elements_of(location), idx, is_locked, expected, desired,
                              swapped, found);
}

/* ---- the lock */

static void request_lock(void *ctx, const struct cell_location *location) {
  (void)ctx;
  cell_lock_request(location->header);
}

static bool acquire_lock(void *ctx, const struct cell_location *location) {
  (void)ctx;
  return cell_lock_acquire_for_server(location->header);
}

static void return_lock(void *ctx, const struct cell_location *location, bool owner_died) {
  (void)ctx;
  cell_lock_return(location->header, owner_died);
}

static bool is_locked(void *ctx, const struct cell_location *location) {
  (void)ctx;
  return cell_lock_is_owned(location->header);
}

static bool is_locked_by(void *ctx, const struct cell_location *location, uint64_t process) {
  const struct shared_cells *cells = ctx;
  return cell_lock_is_owned_by(location->header, &cells->kernel, process);
}

static bool validate_owner(void *ctx, const struct cell_location *location,
                           struct cell_owners *owners) {
  const struct shared_cells *cells = ctx;
  return cell_lock_validate_owner(location->header, &cells->kernel, &cells->orphans, owners);
}

static void add_orphan(void *ctx, uint64_t process) {
  struct shared_cells *cells = ctx;
  orphans_add(&cells->orphans, &cells->kernel, process);
}

static bool take_death(void *ctx, const struct cell_location *location) {
  (void)ctx;
  return cell_lock_take_death(location->header);
}

/* ---- changes */

static void watch(void *ctx, const struct cell_location *location) {
  (void)ctx;
  atomic_fetch_or(&location->header->flags, CELL_SERVER_WAITS);
}

static void unwatch(void *ctx, const struct cell_location *location) {
  (void)ctx;
  atomic_fetch_and(&location->header->flags, ~(uint32_t)CELL_SERVER_WAITS);
}

static void wake_waiters(const struct shared_cells *cells, struct cell_header *header) {
  atomic_fetch_and(&header->flags, ~(uint32_t)CELL_LOCAL_WAITS);
  atomic_fetch_add(&header->changes, 1);
  cells->kernel.wake(cells->kernel.ctx, &header->changes);
}

static void changed(void *ctx, const struct cell_location *location) {
  struct cell_header *header = location->header;
  atomic_thread_fence(memory_order_seq_cst); /* the store of the element is before the load */
  if (atomic_load(&header->flags) & CELL_LOCAL_WAITS) {
    wake_waiters(ctx, header);
  }
}

static void end(void *ctx, const struct cell_location *location) {
  atomic_store(&location->header->owner, 0);
  wake_waiters(ctx, location->header);
}

/* ---- the table */

static const struct cell_host functions = {
    .create = create,
    .release = release,
    .retire = retire,
    .count = count_cells,
    .load = load,
    .store = store,
    .read = read_elements,
    .write = write_elements,
    .add = add,
    .compare_and_set = compare_and_set,
    .request_lock = request_lock,
    .acquire_lock = acquire_lock,
    .return_lock = return_lock,
    .is_locked = is_locked,
    .is_locked_by = is_locked_by,
    .validate_owner = validate_owner,
    .add_orphan = add_orphan,
    .take_death = take_death,
    .watch = watch,
    .unwatch = unwatch,
    .changed = changed,
    .end = end,
};

void shared_cells_init(struct shared_cells *cells, const struct segment_source *source,
                       const struct cell_kernel *kernel) {
  *cells = (struct shared_cells){.host = functions, .source = *source, .kernel = *kernel};
  cells->host.ctx = cells;
}

void shared_cells_deinit(struct shared_cells *cells) {
  orphans_deinit(&cells->orphans);
}
