/* What the answers say: who has which lock, who may look at which place. */
#ifndef HF_TESTS_FUZZ_CELLS_GRANTS_H
#define HF_TESTS_FUZZ_CELLS_GRANTS_H

#include "server/engine/reply.h"
#include "tests/fuzz/cells_harness.h"

/* Of a request that went well. Aborts if it could not. */
void grants_record_answer(struct harness *harness, struct ask *ask, const struct reply *reply);
/* Its session may still be there, and its lease may still run. */
bool grants_is_held(const struct harness *harness, const struct grant *grant);
/* Those that are over stay so, though their session may be heard again. */
void grants_drop_ended(struct harness *harness);
/* Ended, or it must have by now. */
bool grants_session_is_over(const struct harness *harness, int session);

#endif
