/* The conditions of a transaction.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_REQUIRE_H
#define HF_ENGINE_REQUIRE_H

#include "server/engine/core.h"

/* What a condition that does not hold waits for. */
struct watch {
  struct object *object;
  struct wait_queue *queue;
  uint64_t note; /* see core_wake_noted */
};

/* HF_REASON_NONE it holds | CONDITION_NOT_MET, it may hold later: *watch | NO_SUCH_OBJECT WRONG_KIND
 * TOKEN_STALE NOT_ORDERED BAD_ARGUMENT, a bad key or value ... it never will */
hf_reason require_check(struct call *call, const Holdfast__Condition *condition,
                        struct watch *watch);

#endif
