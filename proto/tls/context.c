/* Contexts: what all connections of a listener, or of a client, share. */
#include "proto/tls/tls_parts.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SUITES_OF_KEYS "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
#define SUITES SUITES_OF_KEYS ":TLS_AES_256_GCM_SHA384"
#define CIPHERS_OF_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define GROUPS "X25519:P-256"

static const unsigned char alpn[] = {10, 'h', 'o', 'l', 'd', 'f', 'a', 's', 't', '/', '1'};

static bool is_set(const char *path) {
  return path != NULL && *path != '\0';
}

/* ------------------------------------------------------------------------------------- files */

static bool fail(const char *what, const char *path, char error[TLS_ERROR_BYTES]) {
  char words[TLS_TEXT_BYTES];
  tls_failure_words(words, sizeof words);
  snprintf(error, TLS_ERROR_BYTES, "%s %s: %s", what, path, words);
  return false;
}

static void record_expiry(struct tls_context *context) {
  struct tm at;
  const X509 *certificate = SSL_CTX_get0_certificate(context->ssl);
  if (certificate != NULL && ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &at) == 1) {
    context->expiry = timegm(&at);
  }
}

static bool load_certificate(struct tls_context *context, const char *certificate, const char *key,
                             char error[TLS_ERROR_BYTES]) {
  SSL_CTX *ssl = context->ssl;
  if (!is_set(certificate)) {
    return true;
  }
  key = is_set(key) ? key : certificate;
  if (!key_file_is_private(key, error)) {
    return false;
  }
  if (SSL_CTX_use_certificate_chain_file(ssl, certificate) != 1) {
    return fail("certificate", certificate, error);
  }
  if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1) {
    return fail("private key", key, error);
  }
  if (SSL_CTX_check_private_key(ssl) != 1) {
    return fail("certificate", certificate, error);
  }
  record_expiry(context);
  return true;
}

static bool load_crl(SSL_CTX *ssl, const char *path, char error[TLS_ERROR_BYTES]) {
  X509_STORE *store = SSL_CTX_get_cert_store(ssl);
  X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
  if (lookup == NULL || X509_load_crl_file(lookup, path, X509_FILETYPE_PEM) <= 0 ||
      X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) != 1) {
    return fail("CRL", path, error);
  }
  return true;
}

/* Clients need a certificate of that CA. */
static bool load_client_ca(struct tls_context *context, const struct tls_settings *settings,
                           char error[TLS_ERROR_BYTES]) {
  SSL_CTX *ssl = context->ssl;
  const char *path = settings->client_ca;
  if (!is_set(path)) {
    return true;
  }
  STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
  if (names == NULL || SSL_CTX_load_verify_file(ssl, path) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return fail("client CA", path, error);
  }
  SSL_CTX_set_client_CA_list(ssl, names);
  SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  return !is_set(settings->crl) || load_crl(ssl, settings->crl, error);
}

/* What is set without what it belongs to would protect nobody. */
static bool check_server(const struct tls_settings *settings, char error[TLS_ERROR_BYTES]) {
  bool has_certificate = is_set(settings->certificate);
  if (!is_set(settings->key_file) && !has_certificate) {
    snprintf(error, TLS_ERROR_BYTES, "there is neither a key file nor a certificate");
  } else if (is_set(settings->private_key) && !has_certificate) {
    snprintf(error, TLS_ERROR_BYTES, "private key %s: its certificate is not set",
             settings->private_key);
  } else if (is_set(settings->client_ca) && !has_certificate) {
    snprintf(error, TLS_ERROR_BYTES, "client CA %s: the server's certificate is not set",
             settings->client_ca);
  } else if (is_set(settings->crl) && !is_set(settings->client_ca)) {
    snprintf(error, TLS_ERROR_BYTES, "CRL %s: the client CA is not set", settings->crl);
  } else {
    return true;
  }
  return false;
}

static bool load_server(struct tls_context *context, const struct tls_settings *settings,
                        char error[TLS_ERROR_BYTES]) {
  return check_server(settings, error) &&
         (!is_set(settings->key_file) || keys_read(&context->keys, settings->key_file, error)) &&
         load_certificate(context, settings->certificate, settings->private_key, error) &&
         load_client_ca(context, settings, error);
}

static bool load_client(struct tls_context *context, const struct tls_client_settings *settings,
                        char error[TLS_ERROR_BYTES]) {
  SSL_CTX *ssl = context->ssl;
  context->has_key = settings->key != NULL;
  if (context->has_key) {
    context->key = *settings->key;
    return true; /* without a CA no certificate is trusted */
  }
  if (is_set(settings->ca) ? SSL_CTX_load_verify_file(ssl, settings->ca) != 1
                           : SSL_CTX_set_default_verify_paths(ssl) != 1) {
    return fail("CA file", is_set(settings->ca) ? settings->ca : "of the system", error);
  }
  return load_certificate(context, settings->certificate, settings->private_key, error);
}

/* -------------------------------------------------------------------------------- configuring */

/* A protocol that is not ours must not be spoken here: the bytes could mean something in both. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg) {
  (void)ssl, (void)arg;
  unsigned char *selected;
  if (SSL_select_next_proto(&selected, out_len, alpn, sizeof alpn, in, in_len) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

/* Nobody is asked for the password of a private key. */
static int no_password(char *password, int size, int is_for_writing, void *arg) {
  (void)password, (void)size, (void)is_for_writing, (void)arg;
  return 0;
}

/* No tickets: a user whose key was taken away could come back with one, and handshakes are cheap. */
static bool configure(SSL_CTX *ssl, const char *suites, int version_min) {
  SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_default_passwd_cb(ssl, no_password);
  return SSL_CTX_set_num_tickets(ssl, 0) == 1 &&
         SSL_CTX_set_min_proto_version(ssl, version_min) == 1 &&
         SSL_CTX_set_ciphersuites(ssl, suites) == 1 &&
         SSL_CTX_set_cipher_list(ssl, CIPHERS_OF_1_2) == 1 &&
         SSL_CTX_set1_groups_list(ssl, GROUPS) == 1;
}

static bool configure_server(SSL_CTX *ssl, enum tls_version version_min) {
  SSL_CTX_set_alpn_select_cb(ssl, select_alpn, NULL);
  /* Without an id, keys beside certificates fail with an internal error. In a client it would refuse
   * keys. */
  return SSL_CTX_set_session_id_context(ssl, alpn + 1, sizeof alpn - 1) == 1 &&
         RAND_status() == 1 &&
         configure(ssl, SUITES, version_min == TLS_VERSION_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
}

static bool configure_client(SSL_CTX *ssl, bool has_key) {
  SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, tls_failure_verified);
  return SSL_CTX_set_alpn_protos(ssl, alpn, sizeof alpn) == 0 &&
         configure(ssl, has_key ? SUITES_OF_KEYS : SUITES,
                   has_key ? TLS1_3_VERSION : TLS1_2_VERSION);
}

/* -------------------------------------------------------------------------------------- life */

/* For SSL_CTX_set_msg_callback: counts the peer's updates of keys. */
static void count_updates(int is_sent, int version, int type, const void *message, size_t len,
                          SSL *ssl, void *arg) {
  struct tls *tls = SSL_get_app_data(ssl);
  (void)version, (void)arg;
  if (!is_sent && type == SSL3_RT_HANDSHAKE && len > 0 && tls != NULL &&
      *(const uint8_t *)message == SSL3_MT_KEY_UPDATE) {
    tls->updates_count++;
  }
}

/* Without a clean-up at exit, under threads that are still in a call. */
static void start_openssl(void) {
  OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
}

/* NULL: out of memory. */
static struct tls_context *context_new(bool is_server, char error[TLS_ERROR_BYTES]) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start_openssl);
  ERR_clear_error();
  snprintf(error, TLS_ERROR_BYTES, "out of memory");
  struct tls_context *context = calloc(1, sizeof *context);
  if (context == NULL) {
    return NULL;
  }
  atomic_init(&context->references, 1);
  context->is_server = is_server;
  context->ssl = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
  if (context->ssl == NULL || RAND_bytes(context->decoy, sizeof context->decoy) != 1) {
    tls_context_release(context);
    return NULL;
  }
  return context;
}

static struct tls_context *finish(struct tls_context *context, bool is_made) {
  ERR_clear_error();
  if (!is_made) {
    tls_context_release(context);
    return NULL;
  }
  SSL_CTX_set_msg_callback(context->ssl, count_updates);
  tls_psk_configure(context);
  return context;
}

struct tls_context *tls_context_new_server(const struct tls_settings *settings,
                                           char error[TLS_ERROR_BYTES]) {
  struct tls_context *context = context_new(true, error);
  return context == NULL ? NULL
                         : finish(context, configure_server(context->ssl, settings->min_version) &&
                                               load_server(context, settings, error));
}

struct tls_context *tls_context_new_client(const struct tls_client_settings *settings,
                                           char error[TLS_ERROR_BYTES]) {
  struct tls_context *context = context_new(false, error);
  return context == NULL ? NULL
                         : finish(context, configure_client(context->ssl, settings->key != NULL) &&
                                               load_client(context, settings, error));
}

struct tls_context *tls_context_share(struct tls_context *context) {
  atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
  return context;
}

void tls_context_release(struct tls_context *context) {
  if (context == NULL || atomic_fetch_sub(&context->references, 1) > 1) {
    return;
  }
  SSL_CTX_free(context->ssl);
  keys_deinit(&context->keys);
  sodium_memzero(&context->key, sizeof context->key);
  free(context);
}

const struct keys *tls_context_keys(const struct tls_context *context) {
  return &context->keys;
}

int64_t tls_context_expiry(const struct tls_context *context) {
  return context->expiry;
}
