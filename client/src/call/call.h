/* Calls of the object kinds: a request is sent the way its thread has chosen.
 *
 *   request_of -> request_value .. -> request_send:   plain, or the thread's call mode
 *
 * layer   client, call: what the objects use
 */
#ifndef HF_CLIENT_CALL_H
#define HF_CLIENT_CALL_H

#include "client/src/call/request.h"
#include "client/src/call/results.h"

/* Sends it the way this thread has chosen; frees what the request holds. In a pipeline and one-way
 * HF_OK means: under way. */
hf_status request_send(struct request *request, const ProtobufCMessage *arm);

#endif
