/* Plain calls: one request, one reply, for which the calling thread waits.
 *
 * layer   client, call
 */
#ifndef HF_CLIENT_PLAIN_H
#define HF_CLIENT_PLAIN_H

#include "client/src/call/request.h"

/* Connection's mutex held: submits behind what is due to be given back. Does not write yet.
 * HF_OK | an error, which is the thread's last then */
hf_status call_submit(struct request *request, struct call *call);
/* The same without waiting for a place in the window: RESOURCE_EXHAUSTED IN_FLIGHT_FULL */
hf_status call_submit_at_once(struct request *request, struct call *call);
/* A request that was checked, from its first byte to its result. */
hf_status call_run(struct request *request);

/* Checks and sends the library's own request, whatever this thread's call mode; frees what it holds. */
hf_status call_now(struct request *request, const ProtobufCMessage *arm);
hf_status call_now_packed(struct request *request, struct bytes arm);

#endif
