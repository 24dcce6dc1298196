/* Requirements of a request: the conditions of a transaction, or a change of a key.
 *
 *   message --read--> requirement --check--> met | may be met later: *watch | can't be met
 *                          '--seal--> kept with the waiter
 *
 * layer   engine
 * memory  A requirement owns its values. A sealed one has a digest of the value that it compares with.
 * cost    A check of a sealed requirement is O(1): values are compared by digests. So a change costs
 *         each of its waiters the same few steps, however long their requests.
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
  struct value name; /* text; VALUE_ABSENT: the target is `object` */
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
  uint32_t awaited; /* the first unmet requirement, from 0 */
  bool suffice;     /* the handler needs nothing else of the request */
  struct requirement items[];
};

/* What an unmet condition waits for. */
struct watch {
  struct object *object;
  struct wait_queue *queue;
  uint64_t key_hash; /* see core_wake_key */
};

/* HF_REASON_NONE, *requirement is the caller's to drop | BAD_ARGUMENT, a bad key or value ... */
hf_reason require_read(struct call *call, const Holdfast__Condition *condition,
                       struct requirement *requirement);
void require_drop(struct requirement *requirement);
/* HF_REASON_NONE met | CONDITION_NOT_MET, may be met later: *watch | NO_SUCH_OBJECT NO_RIGHT
 * WRONG_KIND TOKEN_STALE NOT_ORDERED ... can't be met */
hf_reason require_check(struct call *call, struct requirement *requirement, struct watch *watch);

/* Room for `count`, of which none is read. NULL: out of memory. */
struct requirements *requirements_new(size_t count);
/* NULL is harmless. */
void requirements_free(struct requirements *requirements);
/* Takes the requirement; it is sealed. */
void requirements_add(const struct engine *engine, struct requirements *requirements,
                      const struct requirement *requirement);
/* Checks the requirements before the handler of a waiter runs again. Whether one is unmet: then the
 * waiter is in the queue of that requirement. */
bool requirements_still_wait(struct call *call, struct waiter *waiter);

#endif
