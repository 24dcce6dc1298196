/* TLS over memory: ciphertext goes in and out of two buffers, which the caller moves to and from a
 * socket. The only code that includes OpenSSL.
 *
 * layer   proto; used by server and client
 * threads A struct tls: one at a time. A context is immutable and counted; any thread.
 *         Making contexts, tls_new and tls_handshake take OpenSSL's own locks; a process that forks does
 *         so while no other thread is in one of them. tls_free in the child is allowed.
 * memory  Both buffers are of the budget given. OpenSSL has some of its own, more while a record is
 *         incomplete, and keeps the certificate of a client: it has no call to free that.
 * source  A BIO of our own: OpenSSL's over memory copies once more, and knows no budget. Over memory a write is never
 *         half done, so an answer to a key update never meets one.
 *
 *   tls_handshake until it answers something else than TLS_WAITS, then tls_read and tls_write. After each
 *   of these calls the output may have bytes to be sent, also on TLS_FAILED: the alert.
 */
#ifndef HF_PROTO_TLS_TLS_H
#define HF_PROTO_TLS_TLS_H

#include "proto/base/buffer.h"
#include "proto/tls/key.h"
#include "proto/tls/settings.h"

#define TLS_ERROR_BYTES KEY_ERROR_BYTES
#define TLS_NAMES_BYTES_MAX 1024
/* Plaintext of one record. */
#define TLS_RECORD_BYTES_MAX ((size_t)16 << 10)

struct tls_context;
struct tls;

/* What a client has; NULL or "": none. */
struct tls_client_settings {
  const struct key
      *key;       /* copied. With a key the server must have it too: no certificate will do */
  const char *ca; /* PEM: CAs of servers; none: the system's */
  const char *certificate; /* PEM: the client's certificate, then those between it and the CA's */
  const char *private_key; /* PEM, the certificate's; none: in the same file */
};

enum tls_result {
  TLS_OK,
  TLS_WAITS,  /* until there is more input */
  TLS_ENDED,  /* the peer said goodbye */
  TLS_FAILED, /* see tls_failure */
};

/* Why a connection failed. */
enum tls_failure {
  TLS_FAILURE_NONE,
  /* Worth another attempt. */
  TLS_FAILURE_MEMORY,
  TLS_FAILURE_BROKEN, /* bytes that make no sense: a bad network, or an attacker */
  /* Permanent: the next attempt will fail too. */
  TLS_FAILURE_PLAIN,   /* the peer does not speak TLS */
  TLS_FAILURE_REFUSED, /* the peer refused, or both have nothing in common: version, cipher */
  TLS_FAILURE_KEY,     /* the peer's key is wrong or unknown | the peer refused ours */
  TLS_FAILURE_NO_KEYS, /* we offered a key, and the peer has only a certificate */
  TLS_FAILURE_NO_CERTIFICATE,      /* the peer showed none | the peer wants one */
  TLS_FAILURE_CERTIFICATE_REFUSED, /* the peer refused ours: unknown CA, expired, revoked */
  TLS_FAILURE_NOT_TRUSTED,         /* we refuse the peer's */
  TLS_FAILURE_NAME,                /* the server's certificate is for another host */
};

bool tls_failure_is_permanent(enum tls_failure failure);

/* ---------------------------------------------------------------------------------- contexts */

/* All files are read at once. NULL: error is a sentence with the file's name. */
struct tls_context *tls_context_new_server(const struct tls_settings *settings,
                                           char error[TLS_ERROR_BYTES]);
struct tls_context *tls_context_new_client(const struct tls_client_settings *settings,
                                           char error[TLS_ERROR_BYTES]);
struct tls_context *tls_context_share(struct tls_context *context);
/* NULL: nothing. */
void tls_context_release(struct tls_context *context);
/* Of a server's context: all of the key file. Borrowed from it. */
const struct keys *tls_context_keys(const struct tls_context *context);
/* When the context's certificate expires, seconds since 1970; 0: it has none. */
int64_t tls_context_expiry(const struct tls_context *context);

/* ------------------------------------------------------------------------------- connections */

/* host: of a client: the name or IP address that the server's certificate must have. A server's: NULL.
 * NULL: out of memory. */
struct tls *tls_new(struct tls_context *context, struct buffer_budget *budget, const char *host);
void tls_free(struct tls *tls);

/* Received ciphertext is appended to it. */
struct buffer *tls_input(struct tls *tls);
/* Ciphertext to be sent. */
struct buffer *tls_output(struct tls *tls);

/* TLS_OK: the handshake is over. Never TLS_ENDED. */
enum tls_result tls_handshake(struct tls *tls);
/* Decrypts as much as there is and fits. capacity is more than 0.
 * out  count  set on TLS_OK, more than 0 */
enum tls_result tls_read(struct tls *tls, void *data, size_t capacity, size_t *count);
/* Bytes that tls_read may answer: never too few. 0: it would answer TLS_WAITS. */
size_t tls_pending(const struct tls *tls);
/* Encrypts all of it, in records as long as possible. false: see tls_failure; the connection is lost. */
bool tls_write(struct tls *tls, const void *data, size_t len);
/* Says goodbye, once; nothing is written after it. Does nothing while the handshake is under way. */
void tls_goodbye(struct tls *tls);

enum tls_failure tls_failure(const struct tls *tls);
/* Its cause in a few words, for people; "" without one. Of TLS_FAILURE_NAME: a name of the certificate,
 * without its kind. */
const char *tls_failure_text(const struct tls *tls);
/* Of a server: the user that the peer's key is said to be of, verified or not; "": it offered none, or
 * one that is no name. For the log. */
const char *tls_claimed_user(const struct tls *tls);

/* Who the peer has proved to be. */
enum tls_peer_kind { TLS_PEER_UNKNOWN, TLS_PEER_KEY, TLS_PEER_CERTIFICATE };

struct tls_peer {
  enum tls_peer_kind kind;
  const struct key *key; /* borrowed from the server's context */
  /* The certificate's names, each ended by a 0 byte, and an empty one at last: "cn:NAME", "dns:NAME",
   * "uri:URI". A name with a 0 byte is left out, and what does not fit. */
  const char *names;
};

/* After the handshake; borrowed from tls. */
struct tls_peer tls_peer(const struct tls *tls);

#endif
