/* Operations that come in a list: run by their ordinary handlers, within the call that brought them.
 *
 * layer   engine
 * memory  A nested call lives for one run, on the stack; its reply is the caller's.
 */
#ifndef HF_ENGINE_NESTED_H
#define HF_ENGINE_NESTED_H

#include "server/engine/core.h"

struct nested {
  struct call call;
  Holdfast__Request message; /* as it came, but for the wait */
  bool waits;
};

/* Whether the operation may be in a list of that kind, OPERATION_SELECTABLE or
 * OPERATION_IN_TRANSACTION, of this call. HF_REASON_NONE | UNKNOWN_OPERATION NOT_NESTABLE
 * NEEDS_SESSION NOT_ONE_WAY */
hf_reason nested_check(const struct call *outer, const Holdfast__Request *message,
                       enum operation_flag kind);
/* The call of one that was checked. It may wait without end, or not at all; reply is borrowed. */
void nested_init(struct nested *nested, const struct call *outer, const Holdfast__Request *message,
                 struct reply *reply, bool waits);
/* Its target, unless it has one. As admission_find_target. */
hf_reason nested_find_target(struct nested *nested);
/* The reason its handler answers, also REASON_PARKED. */
hf_reason nested_run(struct nested *nested);

/* operations/transaction.c, operations/wait_any.c: whether the parts of the call's message may be in
 * such a list. HF_REASON_NONE | as nested_check, BAD_ARGUMENT TOO_MANY_FIELDS */
hf_reason transaction_check_parts(struct call *call);
/* The same for puts with a priority, which can't be taken back: one that waits in an older snapshot may have such
 * a part, and fails when its turn comes. HF_REASON_NONE | NOT_NESTABLE, call->reply->part */
hf_reason transaction_check_puts(struct call *call);
/* Whether the user has the rights that all parts need: before it waits, and as long as it does.
 * HF_REASON_NONE | NO_RIGHT, call->reply->part */
hf_reason transaction_check_rights(struct call *call);
hf_reason wait_any_check_parts(struct call *call);

#endif
