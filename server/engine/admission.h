/* Admission: the checks that every operation passes before its handler runs, be it a request, a part of
 * one, or a condition.
 *
 *   request is well-formed, server is not stopping, session is known     examine.c, before there is a call
 *   -> one-way? -> needs a session? -> disk? -> memory? -> timeout? -> target     in this order, for all
 *
 * Rights of users are checked where objects are found: every way from a name or an id of a peer to an
 * object goes through admission_find_name or admission_find_id - targets, conditions, opening by name,
 * references inside values. The only other ways are lists, which show what rights_see.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_ADMISSION_H
#define HF_ENGINE_ADMISSION_H

#include "server/engine/core.h"

/* Whether the operation may be asked for in this way. HF_REASON_NONE | NOT_ONE_WAY NEEDS_SESSION */
hf_reason admission_check_origin(const struct operation *operation, const struct session *session,
                                 bool one_way);
/* While the journal's disk is full. HF_REASON_NONE | JOURNAL_FULL */
hf_reason admission_check_disk(const struct engine *engine, const struct operation *operation);
/* Whether what the operation looks into is there. HF_REASON_NONE | CELL_LOST */
hf_reason admission_check_content(const struct operation *operation, const struct object *object);
/* The object that the request names, if its operation works on one, becomes the call's.
 * HF_REASON_NONE | NO_RIGHT NO_SUCH_OBJECT WRONG_KIND CELL_LOST QUOTA_MEMORY its user may have no more */
hf_reason admission_find_target(struct call *call);
/* The quota again, of what a request that waited stores now; what it has stored so far is counted.
 * HF_REASON_NONE | QUOTA_MEMORY */
hf_reason admission_check_again(const struct call *call, size_t more_bytes);
/* All that a request has to pass. HF_REASON_NONE | NOT_ONE_WAY NEEDS_SESSION JOURNAL_FULL MEMORY_FULL
 * NEGATIVE_TIMEOUT, or as admission_find_target */
hf_reason admission_pass(struct call *call);
/* The object that a peer names, or whose id it says, for that access: bits of enum operation_access.
 * Without the right to a name the answer is the same whether or not there is an object of that name; an
 * id that the session has no reference to, of an object that it may neither read nor write, is none. The
 * name of such an object is not said.
 * HF_REASON_NONE | NO_RIGHT NO_SUCH_OBJECT, *object is NULL */
hf_reason admission_find_name(const struct call *call, struct bytes name, unsigned access,
                              struct object **object);
hf_reason admission_find_id(const struct call *call, uint64_t id, unsigned access,
                            struct object **object);
/* The same for an object that was found otherwise. HF_REASON_NONE | NO_RIGHT NO_SUCH_OBJECT */
hf_reason admission_check_access(const struct call *call, const struct object *object,
                                 unsigned access);
/* Whether the call may have more stored in the object. HF_REASON_NONE | MEMORY_FULL QUOTA_MEMORY */
hf_reason admission_check_memory(const struct call *call, const struct object *object,
                                 size_t more_bytes);

#endif
