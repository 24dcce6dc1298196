/* What a request waits for besides its turn: the conditions of a transaction, a key that changes.
 *
 *   message --read--> requirement --look--> it holds | it may hold later: *watch | it never will
 *                          '--seal--> kept with the waiter
 *
 * layer   engine
 * memory  A requirement owns its values. A sealed one remembers of the value it compares with no
 *         more than a digest.
 * cost    A look at a sealed requirement reads no value again that anybody has read before, so one
 *         change costs each of those who wait for it the same few steps, however long their
 *         requests.
 */
#ifndef HF_ENGINE_REQUIRE_H
#define HF_ENGINE_REQUIRE_H

#include "server/engine/core.h"

/* A check that no message has: a key's value is another than the known one. */
#define REQUIRE_CHANGED (-1)

struct requirement {
  int check; /* HOLDFAST__CONDITION__CHECK_*, or REQUIRE_CHANGED */
  bool is_sealed;
  bool compares;     /* with value or digest; else there is to be no such key */
  struct value name; /* text; VALUE_ABSENT: `object` tells the target */
  uint64_t object;
  struct value key;
  struct value value; /* the expected one, the known one, the least */
  struct value_digest digest;
  uint64_t number; /* the least length or room, the token */
};

/* Of one waiter. */
struct requirements {
  size_t count;
  size_t bytes;     /* that count as kept while it waits */
  uint32_t awaited; /* which one does not hold, from 0 */
  bool suffice;     /* the handler needs nothing else of the request */
  struct requirement items[];
};

/* What a condition that does not hold waits for. */
struct watch {
  struct object *object;
  struct wait_queue *queue;
  uint64_t note; /* see core_wake_noted */
};

/* HF_REASON_NONE, *requirement is the caller's to drop | BAD_ARGUMENT, a bad key or value ... */
hf_reason require_read(struct call *call, const Holdfast__Condition *condition,
                       struct requirement *requirement);
void require_drop(struct requirement *requirement);
/* HF_REASON_NONE it holds | CONDITION_NOT_MET, it may hold later: *watch | NO_SUCH_OBJECT WRONG_KIND
 * TOKEN_STALE NOT_ORDERED ... it never will */
hf_reason require_look(struct call *call, struct requirement *requirement, struct watch *watch);

/* Room for `count`, of which none is read. NULL: out of memory. */
struct requirements *requirements_new(size_t count);
/* NULL is harmless. */
void requirements_free(struct requirements *requirements);
/* Takes the requirement; it is sealed. */
void requirements_add(const struct engine *engine, struct requirements *requirements,
                      const struct requirement *requirement);
/* Before the handler of a waiter, or of an ear, runs again: whether it would only wait on. Then the
 * waiter is where it waits from now on. */
bool requirements_still_wait(struct call *call, struct waiter *waiter);

#endif
