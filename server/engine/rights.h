/* What a user may do with an object.
 *
 *   owner                      everything
 *   named object               what the longest prefix of the name in the user's rights says
 *   object without a name      its creator's user: everything; others: what the session was handed
 *                              together with its references, which are capabilities
 *
 * layer   engine
 * shapes  rights are bits of enum operation_access: READ, WRITE, CREATE
 */
#ifndef HF_ENGINE_RIGHTS_H
#define HF_ENGINE_RIGHTS_H

#include "server/engine/core.h"

/* Of the user, with the references of the session, which may be NULL. */
unsigned rights_of(const struct user *user, const struct session *session,
                   const struct object *object);
/* Whether they suffice for the access: bits of enum operation_access, EITHER too. */
bool rights_allow(unsigned rights, unsigned access);
/* Whether the call may see the object: read or write it. */
bool rights_see(const struct call *call, const struct object *object);
/* Whether it may know what others have: it is the owner's or an admin's. */
bool rights_see_all(const struct call *call);
/* Whether it may know whose the session is: its user's own, or all. */
bool rights_see_session(const struct call *call, const struct session *session);
/* The call has those rights on what has that name, and not the access; an empty name: it has none, or one
 * that is not to be said. Answers HF_REASON_NO_RIGHT. */
hf_reason rights_refuse(const struct call *call, struct bytes name, unsigned rights,
                        unsigned access);

#endif
