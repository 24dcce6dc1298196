/* The state that replies imply: owners of locks, and sessions that may access a cell. */
#ifndef HF_TESTS_FUZZ_CELLS_GRANTS_H
#define HF_TESTS_FUZZ_CELLS_GRANTS_H

#include "server/engine/reply.h"
#include "tests/fuzz/cells_harness.h"

/* Records the reply to a successful request. Aborts if the reply is impossible. */
void grants_record_answer(struct harness *harness, struct ask *ask, const struct reply *reply);
/* Whether the grant may still be valid: session and lease may exist. */
bool grants_is_valid(const struct harness *harness, const struct grant *grant);
/* Drops grants that have ended, even if the session is resumed. */
void grants_drop_ended(struct harness *harness);
/* Whether the session has ended, or must have by now. */
bool grants_session_is_over(const struct harness *harness, int session);

#endif
