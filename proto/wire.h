/* Decodes bodies: protobuf's wire format into protobuf-c's structs, within bounds.
 *
 * layer   proto; used by server and client
 * memory  Messages live in the arena. Bytes fields are borrowed from the body, which must outlive
 *         them; strings are copied, because they end in a NUL. Never free any of it.
 * limits  HF_DEPTH_MAX nested messages, HF_FIELDS_MAX fields in a request, the arena's budget
 * source  protobuf-c 1.4.1's own unpack recurses without a limit, turns 1 MiB into 88, copies all
 *         bytes, and scans every message twice. This reads in one pass, by tables made of the same
 *         descriptors. Without the tables a dict_set took 72 ns, with protobuf-c and the same arena
 *         225. As in the specification, unknown fields are passed over and the last of a repeated
 *         singular field counts; sub-messages that come twice are not merged.
 */
#ifndef HF_PROTO_WIRE_H
#define HF_PROTO_WIRE_H

#include "proto/base/arena.h"
#include "proto/base/bytes.h"
#include "proto/holdfast.pb-c.h"
#include "proto/status.h"

/* HF_REASON_NONE | BAD_REQUEST TOO_DEEP TOO_MANY_FIELDS | REQUEST_TOO_BIG the arena's budget is
 * exhausted */
hf_reason wire_unpack_request(struct bytes body, struct arena *arena, Holdfast__Request **request);
/* The same for a reply; BAD_REPLY instead of BAD_REQUEST. */
hf_reason wire_unpack_response(struct bytes body, struct arena *arena,
                               Holdfast__Response **response);
/* The same for a value that the server itself has encoded. */
hf_reason wire_unpack_value(struct bytes body, struct arena *arena, Holdfast__Value **value);

#endif
