/* Opening objects, for all kinds.
 *
 * layer   client, objects
 */
#ifndef HF_CLIENT_OBJECT_H
#define HF_CLIENT_OBJECT_H

#include "client/src/call/call.h"
#include "client/src/call/steps.h"

/* The bytes of a text, borrowed. */
ProtobufCBinaryData object_text(const char *text);

/* Fills in an ObjectOpen for the name; a NULL name is anonymous. */
void object_open_of(struct request *request, hf_conn *conn, Holdfast__ObjectOpen *arm,
                    const char *name, hf_kind kind);
/* Makes a handle of the reply to an ObjectOpen. first: hf_dict ** and the like */
hf_reason object_take(hf_conn *conn, const Holdfast__Response *reply, const struct result *result);
/* Sends the request and makes a handle of the reply. */
hf_status object_open(struct request *request, const Holdfast__ObjectOpen *arm, void *handle);
/* Both, for kinds without further arguments. handle: hf_dict ** and the like. */
hf_status object_open_simple(hf_conn *conn, const char *name, hf_kind kind, void *handle);
/* Fills in an ObjectRetain: a reference for a further handle. */
void object_retain_of(struct request *request, hf_conn *conn, Holdfast__ObjectRetain *arm,
                      uint64_t *id);

#endif
