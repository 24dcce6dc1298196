#include "server/engine/operations/report.h"

#include "server/engine/cells.h"
#include "server/engine/kinds/kind.h"
#include "server/engine/rights.h"

/* Nobody, if it is another user's. */
static struct value client_name_of(const struct call *call, const struct lock *lock) {
  const struct session *owner = map64_get(&call->engine->sessions, lock->owner.session);
  struct value unknown;
  value_text(bytes_of_text("?"), &unknown);
  if (owner && !rights_see_session(call, owner)) {
    return (struct value){0};
  }
  return owner ? value_retain(owner->client) : unknown;
}

struct reply_object report_object(const struct call *call, struct object *object) {
  struct reply_object reported = {
      .id = object->id,
      .kind = object->kind,
      .name = value_retain(object->name),
      .length = object_length(object),
      .waiting = object_waiting(object),
      .references = object->references,
  };
  const struct lock *lock = object_lock(object);
  if (lock) {
    bool is_local = lock->depth == 0 && core_is_locked_locally(call->engine, object);
    reported.locked = lock->depth > 0 || is_local;
    reported.token = lock->token;
    reported.lease_ms = lock->depth > 0 ? lock->lease_ms : 0;
    if (reported.locked) {
      reported.owner = client_name_of(call, lock);
    }
  }
  const struct kind *kind = object->row;
  if (kind->report) {
    kind->report(object, &reported);
  }
  return reported;
}
