/* The inside of contexts and connections.
 *
 * layer   proto, internal
 */
#ifndef HF_PROTO_TLS_TLS_PARTS_H
#define HF_PROTO_TLS_TLS_PARTS_H

#include "proto/tls/tls.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

#define TLS_TEXT_BYTES 160
/* A peer that changes its keys again and again, and sends nothing, is refused. */
#define TLS_UPDATES_MAX 64

struct tls_context {
  atomic_uint references;
  SSL_CTX *ssl;
  struct keys keys; /* of a server */
  struct key key;   /* of a client */
  uint8_t
      decoy[KEY_PSK_BYTES]; /* of users that are unknown: so they fail as those with a wrong key */
  bool is_server;
  bool has_key; /* a client's */
  int64_t expiry;
};

struct tls {
  SSL *ssl;
  struct tls_context *context;
  struct buffer input, output;
  bool is_open; /* the handshake is over */
  bool is_tls;  /* its first byte was that of a record */
  bool said_goodbye;
  bool lacks_memory;      /* for the output */
  enum tls_result result; /* TLS_ENDED, TLS_FAILED: for good */
  enum tls_failure failure;
  char text[TLS_TEXT_BYTES];
  const struct key *offered; /* the key of the identity that was offered; NULL: unknown, or none */
  char claimed_user[KEY_USER_BYTES_MAX + 1];
  unsigned identities_count; /* that were offered */
  unsigned updates_count;    /* of keys by the peer, since it sent anything else */
  char *names;               /* NULL: no certificate */
};

/* Gives tls->ssl a BIO over the buffers. false: out of memory. */
bool tls_bio_set(struct tls *tls);
/* Sets the psk callbacks. */
void tls_psk_configure(struct tls_context *context);
/* Records why the last call failed, from OpenSSL's queue of errors. */
void tls_failure_record(struct tls *tls);
/* For SSL_CTX_set_verify of a client. */
int tls_failure_verified(int is_verified, X509_STORE_CTX *chain);
/* What OpenSSL's queue of errors begins with, in words; empties the queue. */
void tls_failure_words(char *text, size_t size);
/* Given; NULL: out of memory. */
char *tls_names_of(X509 *certificate);

#endif
