/* What the server's configuration says about TLS.
 *
 * layer   proto; made by server/config, read when a context is made
 * shapes  a path is absolute, or relative to the directory where the process was started
 * memory  texts are borrowed; "" stands for a file that is not set, never NULL
 */
#ifndef HF_PROTO_TLS_SETTINGS_H
#define HF_PROTO_TLS_SETTINGS_H

enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };

struct tls_settings {
  const char *certificate; /* PEM: the server's certificate, then those between it and the CA's */
  const char *private_key; /* PEM, the certificate's */
  const char *client_ca;   /* PEM: CAs by which clients' certificates are verified */
  const char *crl;         /* PEM: revoked certificates of these CAs */
  const char *key_file;    /* one line of "holdfast key new" for each key */
  enum tls_version min_version;
};

#endif
