/* Whether what users use is the sum of what is theirs: U1 of server/engine/user.h. */
#ifndef HF_TESTS_SUPPORT_USER_SUMS_H
#define HF_TESTS_SUPPORT_USER_SUMS_H

#include "server/engine/core.h"

/* Prints the first count that is another. */
bool user_sums_are_right(const struct engine *engine);

#endif
