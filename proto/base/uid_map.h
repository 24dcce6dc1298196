/* Whether a uid that the kernel reports is one user's.
 *
 * layer   base
 * threads any; /proc is read at the first call
 *
 * In a user namespace, such as a container's without root, all uids that it does not map are reported as
 * one, the overflow uid (65534, of nobody): it may be anybody's.
 */
#ifndef HF_BASE_UID_MAP_H
#define HF_BASE_UID_MAP_H

#include <stdbool.h>
#include <sys/types.h>

/* false: it may stand for others, as far as can be known. */
bool uid_map_is_one(uid_t uid);

#endif
