/* Users for random stories: "web" and "eve", who come, go, and are allowed and limited now this and now
 * that.
 */
#ifndef HF_TESTS_SUPPORT_RANDOM_USERS_H
#define HF_TESTS_SUPPORT_RANDOM_USERS_H

#include "server/engine/user_settings.h"

#include <stdint.h>

/* 0: both are there, with all rights and no limits. */
#define RANDOM_USERS_VARIANTS 64
#define RANDOM_USERS_NONE 23 /* the owner alone */

/* Static. */
const struct users_settings *random_users(uint64_t variant);
/* Of a connection: "web", "eve", or "", the owner. */
const char *random_users_name(uint64_t connection);

#endif
