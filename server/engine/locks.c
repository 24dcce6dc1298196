/* Owners of locks, the end of ownership, and deadlocks. */
#include "server/engine/locks.h"

#include "proto/base/clock.h"
#include "server/engine/admission.h"
#include "server/engine/cells.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/sessions.h"
#include "server/engine/wake.h"

#include <stdio.h>

#define CYCLE_TEXT_BYTES 1024

/* ---- ownership */

struct object *core_guard_of(const struct engine *engine, struct object *object) {
  const struct kind *kind = object->row;
  return kind->guard ? kind->guard(engine, object) : object;
}

hf_reason core_enter_guard(const struct call *call, struct object **guard) {
  *guard = core_guard_of(call->engine, call->object);
  if (!*guard) {
    return HF_REASON_NO_SUCH_OBJECT;
  }
  bool is_checked = call->user && *guard != call->object && !value_is_absent((*guard)->name);
  return is_checked ? admission_check_access(call, *guard, ACCESS_WRITE) : HF_REASON_NONE;
}

static bool is_same(struct lock_owner one, struct lock_owner other) {
  return one.session == other.session && one.thread == other.thread;
}

static hf_reason begin_lease(struct call *call, struct object *object, uint64_t lease_ms) {
  uint64_t deadline_ns = clock_deadline_ns(call->now_ns, lease_ms);
  bool starts = lease_ms > 0 && deadline_ns != CLOCK_NEVER;
  return starts && !timers_start(&call->engine->timers, &object->lease, deadline_ns)
             ? HF_REASON_NO_MEMORY
             : HF_REASON_NONE;
}

hf_reason core_take_lock(struct call *call, struct object *object, const struct lock_terms *terms,
                         bool *owner_died) {
  struct lock *lock = object_lock(object);
  struct session *session = call->session;
  struct lock_owner owner = {session->serial, call->message->thread};
  if (!session_set(session, &session->locks, object->id, object)) {
    return HF_REASON_NO_MEMORY;
  }
  if (lock->depth == 0) {
    hf_reason reason = begin_lease(call, object, terms->lease_ms);
    if (reason) {
      session_remove(session, &session->locks, object->id);
      return reason;
    }
  }
  session_remove(session, &session->expired, object->id);
  lock_take(lock, owner, terms, owner_died);
  return HF_REASON_NONE;
}

void core_forget_lock(struct engine *engine, struct object *object, struct lock_owner owner) {
  struct session *session = map64_get(&engine->sessions, owner.session);
  if (session) {
    session_remove(session, &session->locks, object->id);
  }
  timers_stop(&engine->timers, &object->lease);
  core_wake_lock(engine, object);
  core_review_cells(engine, object);
}

void core_end_lease(struct engine *engine, uint64_t now_ns, struct object *object) {
  struct lock *lock = object_lock(object);
  struct lock_owner owner = lock->owner;
  struct session *session = map64_get(&engine->sessions, owner.session);
  uint64_t until_ns = session ? clock_deadline_ns(session->heard_ns, lock->lease_ms) : 0;
  if (until_ns > now_ns && timers_start(&engine->timers, &object->lease, until_ns)) {
    return;
  }
  if (session) {
    core_sweep(engine, session, &session->expired, object);
    session_set(session, &session->expired, object->id, object);
  }
  lock_abandon(lock, true);
  core_forget_lock(engine, object, owner);
}

/* ---- who waits for whom */

/* The object whose lock the waiter waits for; NULL: it waits for something else. */
static struct object *lock_awaited(const struct engine *engine, const struct waiter *waiter) {
  struct object *guard = waiter->object ? core_guard_of(engine, waiter->object) : NULL;
  bool is_for_lock = guard && object_lock(guard) && waiter->queue == &guard->waits[WAIT_LOCK];
  return is_for_lock ? guard : NULL;
}

struct object *core_lock_waited_for(const struct engine *engine, struct lock_owner thread,
                                    unsigned *steps) {
  const struct session *session = map64_get(&engine->sessions, thread.session);
  const struct waiter *waiter = session ? TAILQ_FIRST(&session->waiters) : NULL;
  struct object *object = NULL;
  for (; waiter && !object && *steps > 0; waiter = TAILQ_NEXT(waiter, owner_link)) {
    --*steps;
    object = waiter->thread == thread.thread ? lock_awaited(engine, waiter) : NULL;
  }
  return object;
}

/* Each owner waits for one lock at most, so there is one path. */
bool core_closes_cycle(const struct engine *engine, struct lock_owner thread, struct object *object,
                       unsigned *steps) {
  for (unsigned parties = 0; object && parties < HF_CYCLE_PARTIES_MAX; parties++) {
    const struct lock *lock = object_lock(object);
    if (lock->depth == 0 || lock->owner.session == 0) {
      return false;
    }
    if (is_same(lock->owner, thread)) {
      return true;
    }
    object = core_lock_waited_for(engine, lock->owner, steps);
  }
  return false;
}

/* ---- saying so */

struct cycle_text {
  char bytes[CYCLE_TEXT_BYTES];
  size_t len;
};

static void add_text(struct cycle_text *text, const char *word) {
  size_t room = sizeof text->bytes - text->len;
  int len = snprintf(text->bytes + text->len, room, "%s", word);
  text->len += (size_t)len < room ? (size_t)len : room - 1;
}

static void add_value(struct cycle_text *text, struct value value) {
  struct bytes bytes = value_content(&value);
  size_t room = sizeof text->bytes - text->len;
  int len = snprintf(text->bytes + text->len, room, "%.*s", (int)bytes.len, (char *)bytes.data);
  text->len += (size_t)len < room ? (size_t)len : room - 1;
}

static void add_object(struct cycle_text *text, const struct object *object) {
  char number[32];
  if (!value_is_absent(object->name)) {
    add_value(text, object->name);
    return;
  }
  snprintf(number, sizeof number, "#%llu", (unsigned long long)object->id);
  add_text(text, number);
}

/* "b waits for x, held by a, who waits for y, held by b" (the log's text); the thread first and
 * last. */
static void describe(const struct engine *engine, struct lock_owner thread, struct object *object,
                     struct cycle_text *text) {
  unsigned steps = HF_CYCLE_STEPS_MAX;
  struct lock_owner owner = thread;
  const struct session *session = map64_get(&engine->sessions, owner.session);
  add_value(text, session->client);
  add_text(text, " waits for ");
  while (object) {
    add_object(text, object);
    owner = object_lock(object)->owner;
    session = map64_get(&engine->sessions, owner.session);
    add_text(text, ", held by ");
    add_value(text, session->client);
    object = is_same(owner, thread) ? NULL : core_lock_waited_for(engine, owner, &steps);
    if (object) {
      add_text(text, ", who waits for ");
    }
  }
}

void core_report_deadlock(struct engine *engine, struct lock_owner thread, struct object *object) {
  struct cycle_text text = {.len = 0};
  engine->deadlocks++;
  if (engine->sink.deadlock) {
    describe(engine, thread, object, &text);
    engine->sink.deadlock(engine->sink.ctx, text.bytes);
  }
}
