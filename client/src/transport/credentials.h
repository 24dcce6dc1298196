/* What a connection proves itself with over TLS, and whom it trusts: files, and what is made of them.
 *
 * The files are read when the connection is made, and again before an attempt to connect if they have
 * changed: a key or certificate that was replaced is used without a restart. If they can't be read
 * then, what was read before stays.
 *
 * layer   client, transport
 * threads any
 */
#ifndef HF_CLIENT_CREDENTIALS_H
#define HF_CLIENT_CREDENTIALS_H

#include "proto/tls/tls.h"

/* Paths; NULL: none. */
struct credentials_files {
  const char *key;         /* the first key in it is used */
  const char *ca;          /* none: the system's */
  const char *certificate; /* PEM, and its private key unless that is given */
  const char *private_key;
};

struct credentials;

/* Copies the paths. NULL: `error` is a sentence. */
struct credentials *credentials_new(const struct credentials_files *files,
                                    char error[TLS_ERROR_BYTES]);
/* NULL is ignored. */
void credentials_free(struct credentials *credentials);
/* The paths; borrowed. */
const struct credentials_files *credentials_files(const struct credentials *credentials);
/* What attempts are made with now; within tls_guard. The caller releases it.
 * out user  of the key; "": there is none */
struct tls_context *credentials_context(struct credentials *credentials,
                                        char user[KEY_USER_BYTES_MAX + 1]);

#endif
