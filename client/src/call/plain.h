/* Plain calls: the calling thread sends one request and waits for its reply.
 *
 * layer   client, call
 */
#ifndef HF_CLIENT_PLAIN_H
#define HF_CLIENT_PLAIN_H

#include "client/src/call/request.h"

/* Connection's mutex held: adds the request to the window, after releases that are due. Does not
 * write yet. HF_OK | an error, also the thread's last error */
hf_status call_submit(struct request *request, struct call *call);
/* The same without waiting for a free slot: RESOURCE_EXHAUSTED IN_FLIGHT_FULL */
hf_status call_submit_at_once(struct request *request, struct call *call);
/* A further request of a call whose reply has just come, and left its place in the window. May not
 * wait on the server unless the first did. HF_OK | RESOURCE_EXHAUSTED NO_MEMORY */
hf_status call_submit_further(struct request *request, struct call *call);
/* Performs a checked request, and stores its result. */
hf_status call_run(struct request *request);

/* Checks and performs a request of the library itself, independently of the thread's call mode;
 * frees its memory. */
hf_status call_now(struct request *request, const ProtobufCMessage *arm);

#endif
