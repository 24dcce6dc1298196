/* Who is known, by what the settings say and by the files that they name.
 *
 * layer   server
 * threads the main thread
 */
#ifndef HF_SERVER_CREDENTIALS_H
#define HF_SERVER_CREDENTIALS_H

#include "proto/tls/tls.h"
#include "server/config/config.h"

struct credentials {
  struct users *users;     /* a reference */
  struct tls_context *tls; /* a reference; NULL: neither keys nor a certificate */
};

/* Reads the keys and certificates, and makes the users. All or nothing. is_open: --insecure-no-auth.
 * false: error is a sentence. */
bool credentials_load(struct credentials *credentials, const struct settings *settings,
                      bool is_open, char error[CONFIG_ERROR_BYTES]);
/* Logs what is right but will be of no use: a certificate that has expired. */
void credentials_warn(const struct credentials *credentials, const struct settings *settings);
void credentials_release(struct credentials *credentials);

#endif
