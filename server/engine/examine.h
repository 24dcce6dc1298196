/* Whether a request is served: found out before anything is changed.
 *
 *   well-formed, peer, session, rate     -> refused, and its session has not heard of it
 *   number, admission, parts of lists    -> refused, but its session has heard: acknowledgements count
 *
 * Neither is kept in a window: sent again, it is examined again. A one-way request is admitted when its turn
 * has come, since its failure is counted.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_EXAMINE_H
#define HF_ENGINE_EXAMINE_H

#include "server/engine/core.h"

/* Changes nothing.
 * out  call  without a reply; set if the request reaches its session */
void core_examine(struct engine *engine, uint64_t now_ns, const struct peer *peer,
                  struct engine_request *request, struct examined *examined, struct call *call);
/* The same call, of a request that was examined already. */
void core_make_call(struct engine *engine, uint64_t now_ns, const struct peer *peer,
                    struct engine_request *request, const struct examined *examined,
                    struct call *call);
/* All that an operation has to pass before its handler runs. HF_REASON_NONE | as admission_pass, or what is
 * wrong with a part, call->reply->part */
hf_reason core_admit(struct call *call);

/* Whether its session just goes on with this connection, as one of a stock socket does. */
bool core_goes_on(const struct peer *peer, const struct engine_request *request,
                  const struct examined *examined);
/* Whether the peer is answered SESSION_ENDED from now on. */
bool core_loses_session(const struct peer *peer, const struct engine_request *request,
                        const struct examined *examined);
/* Whether it is refused, or dropped, and changes nothing but what COMMAND_HEARD has: see reads.h. */
bool core_leaves_all(const struct engine *engine, uint64_t now_ns, const struct peer *peer,
                     const struct engine_request *request, const struct examined *examined);

#endif
