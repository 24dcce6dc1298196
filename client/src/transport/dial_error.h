/* Errors of dialling a server.
 *
 * layer   client, transport
 */
#ifndef HF_CLIENT_DIAL_ERROR_H
#define HF_CLIENT_DIAL_ERROR_H

#include <stdbool.h>

#include "proto/status.h"

/* Outside the range of errno numbers. */
enum dial_error {
  DIAL_UNKNOWN_HOST = 1 << 16,
  DIAL_RESOLVER_SILENT,
  DIAL_RESOLVER_FAILS,
  DIAL_PUT_OFF, /* the server answered, and asks for another attempt */
  DIAL_LOADING, /* it does, until it has loaded its state */
  DIAL_HANDSHAKE_CUT,
  DIAL_HANDSHAKE_BROKEN,
  /* The next attempts most likely fail too, and the next ones of a client that was let in before may
   * not: something else answers while the server is away. dialling->refusal is the sentence. */
  DIAL_IN_CLEAR,
  DIAL_WANTS_TLS, /* the same of a client in clear */
  /* Further attempts would fail too; dialling->refusal is the sentence. */
  DIAL_KEY_REFUSED,
  DIAL_NOT_ADMITTED,
  DIAL_SERVER_NOT_TRUSTED,
};
/* The reason of an error after which no attempt is made; HF_REASON_NONE: of another one.
 * was_let_in: this server, or one in its place, has given a session before. */
hf_reason dial_error_reason(int error, bool was_let_in);
/* A sentence, of an errno too. Static, or the C library's. */
const char *dial_error_text(int error);

#endif
