/* Keys in the handshake: TLS 1.3's external pre-shared keys.
 *
 * source  A key is bound to one hash, SHA-256 here: that of the suites that a client with a key offers,
 *         and that a server prefers. OpenSSL tells sessions made of a key from its own tickets only by
 *         what is offered; so an identity that is not ours is left to it.
 */
#include "proto/tls/tls_parts.h"

#include <stdio.h>
#include <string.h>

#define SCHEME "hf1:"
/* A client of ours offers one, in each of two hellos. Each takes time, and a hello has room for thousands. */
#define IDENTITIES_MAX 8

static SSL_SESSION *session_of(SSL *ssl, const uint8_t psk[KEY_PSK_BYTES]) {
  static const uint8_t suite[] = {0x13, 0x01}; /* TLS_AES_128_GCM_SHA256 */
  const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, suite);
  SSL_SESSION *session = SSL_SESSION_new();
  if (session != NULL && cipher != NULL &&
      SSL_SESSION_set1_master_key(session, psk, KEY_PSK_BYTES) == 1 &&
      SSL_SESSION_set_cipher(session, cipher) == 1 &&
      SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1) {
    return session;
  }
  SSL_SESSION_free(session);
  return NULL;
}

/* For the log: nothing that is no name of a user gets there. */
static void record_identity(struct tls *tls, struct bytes identity) {
  const uint8_t *user = identity.data + strlen(SCHEME);
  size_t rest = identity.len - strlen(SCHEME);
  const uint8_t *colon = rest > 0 ? memchr(user, ':', rest) : NULL;
  size_t len = colon != NULL ? (size_t)(colon - user) : 0;
  tls->claimed_user[0] = '\0';
  if (len > 0 && key_is_user(bytes_of(user, len))) {
    memcpy(tls->claimed_user, user, len);
    tls->claimed_user[len] = '\0';
  }
}

/* A server's. An unknown key of ours gets the decoy: its binder will not verify, as that of a wrong key. */
static int find_session(SSL *ssl, const unsigned char *identity, size_t len,
                        SSL_SESSION **session) {
  struct tls *tls = SSL_get_app_data(ssl);
  *session = NULL;
  tls->offered = NULL;
  if (++tls->identities_count > IDENTITIES_MAX) {
    return 0;
  }
  if (len < strlen(SCHEME) || memcmp(identity, SCHEME, strlen(SCHEME)) != 0) {
    return 1;
  }
  struct bytes wanted = bytes_of(identity, len);
  record_identity(tls, wanted);
  tls->offered = keys_find(&tls->context->keys, wanted);
  *session = session_of(ssl, tls->offered != NULL ? tls->offered->psk : tls->context->decoy);
  return *session != NULL;
}

/* A client's. digest: that of the server's choice, after it has asked for another hello. */
static int use_session(SSL *ssl, const EVP_MD *digest, const unsigned char **identity, size_t *len,
                       SSL_SESSION **session) {
  const struct key *key = &((struct tls *)SSL_get_app_data(ssl))->context->key;
  *session = NULL;
  if (digest != NULL && EVP_MD_get_type(digest) != NID_sha256) {
    return 1;
  }
  *identity = (const unsigned char *)key->identity;
  *len = strlen(key->identity);
  *session = session_of(ssl, key->psk);
  return *session != NULL;
}

void tls_psk_configure(struct tls_context *context) {
  if (context->is_server && context->keys.count > 0) {
    SSL_CTX_set_psk_find_session_callback(context->ssl, find_session);
  } else if (context->has_key) {
    SSL_CTX_set_psk_use_session_callback(context->ssl, use_session);
  }
}
