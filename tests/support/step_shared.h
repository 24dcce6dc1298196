/* Requests of a random story that work together, on objects that all connections know by name: many locks that are
 * owned and awaited, ends of pipes, semaphores, barriers, conditions, reservations, lists that are long enough to be
 * lent, values and arrays that are volatile, mapped and lost.
 */
#ifndef HF_TESTS_SUPPORT_STEP_SHARED_H
#define HF_TESTS_SUPPORT_STEP_SHARED_H

#include "tests/support/step_sessions.h"

#define STEP_SHARED 16 /* of a kind: "lock3" */
#define STEP_SHARED_OBJECTS (10 * STEP_SHARED)

/* Opens one of the objects. */
struct replay_step step_open_shared(struct step_maker *maker, uint64_t connection, size_t object);
/* A request to any of them. */
struct replay_step step_make_shared(struct step_maker *maker, uint64_t connection);
/* To the value or array of that number, which is deleted now and then: what was lost comes anew. */
struct replay_step step_make_cell(struct step_maker *maker, uint64_t connection, size_t number);

#endif
