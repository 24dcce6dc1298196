#include "server/dispatch/request.h"

#include "proto/wire.h"
#include "server/dispatch/operations.h"
#include "server/engine/decoded.h"

static hf_reason unpack(struct engine_request *request, struct arena *arena,
                        const struct value_hash_key *hash_key, Holdfast__Request **unpacked) {
  if (request->body.len < DECODED_BODY_BYTES_MIN) {
    return wire_unpack_request(request->body, arena, unpacked);
  }
  hf_reason reason = decoded_read(request->body, hash_key, &request->decoded);
  if (!reason) {
    *unpacked = request->decoded->message;
  }
  return reason;
}

void request_decode(struct engine_request *request, struct arena *arena,
                    const struct value_hash_key *hash_key) {
  Holdfast__Request *unpacked = NULL;
  request->decoded = NULL;
  request->malformed = unpack(request, arena, hash_key, &unpacked);
  request->message = request->malformed ? NULL : unpacked;
  request->operation = request->message ? operations_find(unpacked) : NULL;
}
