/* A random story for engines: connections that come and go, sessions that are opened, lost,
 * resumed, forked and ended, requests of every kind, time, jobs. The same seed makes the same
 * story, as long as the engine it learns objects from answers the same.
 *
 * Half of the requests are of request_maker.h; the others work together (step_shared.h).
 */
#ifndef HF_TESTS_SUPPORT_STEP_MAKER_H
#define HF_TESTS_SUPPORT_STEP_MAKER_H

#include "tests/support/step_shared.h"

/* The next step; what it points to lives until the one after. */
struct replay_step step_maker_make(struct step_maker *maker);
/* The same, mostly about a value or an array that may be volatile. */
struct replay_step step_maker_make_cell(struct step_maker *maker);

#endif
