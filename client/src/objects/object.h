/* What the object kinds share: opening them.
 *
 * layer   client, objects
 */
#ifndef HF_CLIENT_OBJECT_H
#define HF_CLIENT_OBJECT_H

#include "client/src/call/call.h"

/* The bytes of a text, borrowed. */
ProtobufCBinaryData object_text(const char *text);

/* Fills in an ObjectOpen for the name; NULL: anonymous. */
void object_open_of(struct request *request, hf_conn *conn, Holdfast__ObjectOpen *arm,
                    const char *name, hf_kind kind);
/* Sends it and makes a handle of the answer. */
hf_status object_open(struct request *request, const Holdfast__ObjectOpen *arm, void *handle);
/* Both, for kinds that need nothing more. handle: hf_dict ** and the like. */
hf_status object_open_simple(hf_conn *conn, const char *name, hf_kind kind, void *handle);
/* One more handle, with a hold of its own. */
hf_status object_retain(hf_conn *conn, uint64_t id, hf_kind kind, hf_object **object);

#endif
