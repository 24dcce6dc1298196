/* Calls of the object kinds: a request is sent in the call mode of its thread.
 *
 *   request_of -> request_value .. -> request_send:   a plain call, or the thread's call mode
 *
 * layer   client, call: the interface for client/src/objects
 */
#ifndef HF_CLIENT_CALL_H
#define HF_CLIENT_CALL_H

#include "client/src/call/request.h"
#include "client/src/call/results.h"

/* Sends the request in the thread's call mode, and frees its memory. In a pipeline and one-way,
 * HF_OK means that the request is in flight. */
hf_status request_send(struct request *request, const ProtobufCMessage *arm);
hf_status request_send_packed(struct request *request, struct bytes arm);

#endif
