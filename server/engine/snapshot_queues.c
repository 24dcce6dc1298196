/* Wait queues in a snapshot: which queue a waiter waits in, and in which order those of lost connections
 * do. */
#include "server/engine/lending.h"
#include "server/engine/snapshot_parts.h"

#include <stdlib.h>

/* ---- all queues */

/* Called with each queue, in order of their owners. */
typedef void visit_queue(void *ctx, const struct wait_queue *queue, struct queue_name name);

static void each_queue(const struct engine *engine, struct snapshot_out *out, visit_queue *visit,
                       void *ctx) {
  size_t count;
  struct map64_slot *slots = snapshot_sorted(out, &engine->registry.by_id, &count);
  for (size_t i = 0; slots && i < count; i++) {
    const struct object *object = slots[i].value;
    for (unsigned j = 0; j < OBJECT_WAITS; j++) {
      visit(ctx, &object->waits[j], (struct queue_name){object->id, j});
    }
    if (object->loan) {
      visit(ctx, &object->loan->queue, (struct queue_name){object->id, QUEUE_OF_LOAN});
    }
  }
  free(slots);
  slots = snapshot_sorted(out, &engine->sessions, &count);
  for (size_t i = 0; slots && i < count; i++) {
    const struct session *session = slots[i].value;
    visit(ctx, &session->flushers, (struct queue_name){session->serial, QUEUE_OF_FLUSHES});
  }
  free(slots);
}

struct wait_queue *restore_find_queue(struct restoring *restoring, const struct queue_name *name) {
  struct engine *engine = restoring->engine;
  if (!name->owner) {
    return NULL;
  }
  if (name->number == QUEUE_OF_FLUSHES) {
    struct session *session = map64_get(&engine->sessions, name->owner);
    return session ? &session->flushers : NULL;
  }
  struct object *object = registry_find(&engine->registry, name->owner);
  if (!object || name->number > QUEUE_OF_LOAN) {
    return NULL;
  }
  if (name->number < OBJECT_WAITS) {
    return &object->waits[name->number];
  }
  struct loan *loan = core_loan(engine, object);
  return loan ? &loan->queue : NULL;
}

/* ---- where waiters wait */

/* A waiter, or a wait entry, in a queue. */
struct snapshot_spot {
  const struct waiter *waiter;
  struct queue_name queue;
};

struct finding {
  struct snapshot_out *out;
  struct snapshot_spots *spots;
};

static void add_spots(struct finding *finding, const struct waiter_list *waiters,
                      struct queue_name queue) {
  struct snapshot_spots *spots = finding->spots;
  const struct waiter *waiter;
  TAILQ_FOREACH(waiter, waiters, queue_link) {
    if (spots->count == spots->capacity) {
      size_t capacity = spots->capacity ? 2 * spots->capacity : 64;
      struct snapshot_spot *items = realloc(spots->items, capacity * sizeof *items);
      if (!items) {
        finding->out->has_failed = true;
        return;
      }
      spots->items = items;
      spots->capacity = capacity;
    }
    spots->items[spots->count++] = (struct snapshot_spot){waiter, queue};
  }
}

static void add_queue(void *ctx, const struct wait_queue *queue, struct queue_name name) {
  add_spots(ctx, &queue->waiters, name);
  add_spots(ctx, &queue->suspended, name);
}

static int compare_spots(const void *one, const void *other) {
  uintptr_t a = (uintptr_t)((const struct snapshot_spot *)one)->waiter;
  uintptr_t b = (uintptr_t)((const struct snapshot_spot *)other)->waiter;
  return (a > b) - (a < b);
}

void snapshot_find_spots(const struct engine *engine, struct snapshot_out *out,
                         struct snapshot_spots *spots) {
  struct finding finding = {out, spots};
  each_queue(engine, out, add_queue, &finding);
  if (spots->count > 0) {
    qsort(spots->items, spots->count, sizeof *spots->items, compare_spots);
  }
}

struct queue_name snapshot_queue_of(const struct snapshot_spots *spots,
                                    const struct waiter *waiter) {
  const struct snapshot_spot key = {.waiter = waiter};
  const struct snapshot_spot *found =
      spots->count > 0 ? bsearch(&key, spots->items, spots->count, sizeof key, compare_spots)
                       : NULL;
  return found ? found->queue : (struct queue_name){.number = NO_QUEUE};
}

/* ---- the order of suspended waiters: that in which they were suspended */

static const struct snapshot_field suspended_rows[] = {
    SNAPSHOT_FIELD(3, struct queue_name, owner),
    SNAPSHOT_FIELD(4, struct queue_name, number),
};
static const struct snapshot_fields suspended_fields = SNAPSHOT_FIELDS(suspended_rows);
enum { TICKETS = 5 };

static void put_suspended(void *ctx, const struct wait_queue *queue, struct queue_name name) {
  struct snapshot_out *out = ctx;
  const struct waiter *waiter;
  if (TAILQ_EMPTY(&queue->suspended)) {
    return;
  }
  snapshot_put_fields(out, &suspended_fields, &name);
  size_t opened = snapshot_open(out);
  TAILQ_FOREACH(waiter, &queue->suspended, queue_link) {
    snapshot_put_item(out, waiter->ticket);
    snapshot_put_item(out, waiter->owner ? waiter->part : 0);
  }
  snapshot_close(out, TICKETS, opened);
  snapshot_end_record(out, RECORD_SUSPENDED);
}

void snapshot_suspended(const struct engine *engine, struct snapshot_out *out) {
  each_queue(engine, out, put_suspended, out);
}

/* The waiter, or its wait entry of that part. NULL: there is none. */
static struct waiter *find_waiter(const struct restoring *restoring, uint64_t ticket,
                                  uint64_t part) {
  struct waiter *waiter = ticket ? map64_get(&restoring->tickets, ticket) : NULL;
  if (!waiter || part == 0) {
    return waiter;
  }
  struct waiter *entry;
  TAILQ_FOREACH(entry, &waiter->entries, owner_link) {
    if (entry->part == part) {
      return entry;
    }
  }
  return NULL;
}

struct reading_suspended {
  struct restoring *restoring;
  struct wait_queue *queue;
};

static bool visit_tickets(struct snapshot_in *in, const struct wire_field *field, void *ctx) {
  const struct reading_suspended *reading = ctx;
  struct wire_reader items = {0};
  uint64_t ticket, part;
  while (field->number == TICKETS && snapshot_next_item(in, field, &items, &ticket)) {
    struct waiter *waiter = snapshot_next_item(in, field, &items, &part)
                                ? find_waiter(reading->restoring, ticket, part)
                                : NULL;
    if (!waiter || !waiter->suspended || waiter->queue != reading->queue) {
      return snapshot_fail(in, "a suspended waiter is none");
    }
    TAILQ_REMOVE(&reading->queue->suspended, waiter, queue_link);
    TAILQ_INSERT_TAIL(&reading->queue->suspended, waiter, queue_link);
  }
  return !in->why;
}

bool restore_suspended(struct restoring *restoring, struct bytes body) {
  struct snapshot_in *in = &restoring->in;
  struct queue_name name = {0};
  struct reading_suspended reading = {.restoring = restoring};
  if (!snapshot_read(in, body, &suspended_fields, &name, NULL, NULL)) {
    return false;
  }
  reading.queue = restore_find_queue(restoring, &name);
  return reading.queue ? snapshot_read(in, body, NULL, NULL, visit_tickets, &reading)
                       : snapshot_fail(in, "suspended waiters wait nowhere");
}
