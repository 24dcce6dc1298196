/* Admission: the checks that every operation passes before its handler runs, be it a request, a part of
 * one, or a condition.
 *
 *   request is well-formed, server is not stopping, session is known     engine.c, before there is a call
 *   -> one-way? -> needs a session? -> memory? -> timeout? -> target     in this order, for all
 *
 * Rights of users belong where objects are found: every way from a name or an id of a peer to an
 * object goes through there - targets, conditions, opening by name, references inside values.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_ADMISSION_H
#define HF_ENGINE_ADMISSION_H

#include "server/engine/core.h"

/* Whether the operation may be asked for in this way. HF_REASON_NONE | NOT_ONE_WAY NEEDS_SESSION */
hf_reason admission_check_origin(const struct operation *operation, const struct session *session,
                                 bool one_way);
/* The object that the request names, if its operation works on one, becomes the call's.
 * HF_REASON_NONE | NO_SUCH_OBJECT WRONG_KIND */
hf_reason admission_find_target(struct call *call);
/* All that a request has to pass. HF_REASON_NONE | NOT_ONE_WAY NEEDS_SESSION MEMORY_FULL
 * NEGATIVE_TIMEOUT NO_SUCH_OBJECT WRONG_KIND */
hf_reason admission_pass(struct call *call);
/* The object that a peer names, or whose id it says. NULL: there is none. */
struct object *admission_find_name(const struct engine *engine, struct bytes name);
struct object *admission_find_id(const struct engine *engine, uint64_t id);

#endif
