/* Why a TLS handshake failed, and what to do about it, as a sentence for people.
 *
 * layer   client, transport
 * threads any
 */
#ifndef HF_CLIENT_TLS_REFUSAL_H
#define HF_CLIENT_TLS_REFUSAL_H

#include "client/src/transport/credentials.h"

/* A failed handshake; all is borrowed. */
struct refusal {
  const char *address; /* HOST:PORT */
  const char *user;    /* of the key; "": none */
  const struct credentials_files *files;
  enum tls_failure failure;
  const char *cause; /* a few words */
};

/* An errno or enum dial_error. out sentence: if that is final */
int refusal_explain(const struct refusal *refusal, char *sentence, size_t sentence_size);

#endif
