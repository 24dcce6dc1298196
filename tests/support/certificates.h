/* Certificates for tests, made when the test runs: P-256, valid from yesterday for a day or a year.
 *
 * layer   tests
 * shapes  AUTHORITY.crt and AUTHORITY.key, NAME.crt and NAME.key in a directory of the caller's
 * errors  any ends the process: a test without its certificates proves nothing
 */
#ifndef HF_SUPPORT_CERTIFICATES_H
#define HF_SUPPORT_CERTIFICATES_H

#include <stdbool.h>

struct certificate {
  const char *authority;   /* NULL: its own, and it may sign others */
  const char *name;        /* of the files */
  const char *common_name; /* NULL: as `name` */
  const char
      *alternatives; /* as OpenSSL writes them, e.g. "DNS:localhost,IP:127.0.0.1"; NULL: none */
  bool is_expired;
  bool is_rsa;
};

void certificate_make(const char *directory, const struct certificate *certificate);
/* Writes FILE.crl, by which the authority revokes that certificate; revoked: NULL: none. */
void certificate_revoke(const char *directory, const char *authority, const char *revoked,
                        const char *file);

#endif
