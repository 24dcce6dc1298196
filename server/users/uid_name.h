/* The name of a uid, for a sentence.
 *
 * layer   users
 * threads any. Reads /etc/passwd only: directories of users that are asked over a network would keep
 *         the threads that serve connections.
 */
#ifndef HF_USERS_UID_NAME_H
#define HF_USERS_UID_NAME_H

#include <stdbool.h>
#include <sys/types.h>

#define UID_NAME_BYTES 33 /* as useradd allows */

/* false: it has no name, or a longer one; name is the number. */
bool uid_name(uid_t uid, char name[UID_NAME_BYTES]);

#endif
