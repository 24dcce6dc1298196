/* OpenSSL's errors become ours. */
#include "proto/tls/tls_parts.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

bool tls_failure_is_permanent(enum tls_failure failure) {
  return failure >= TLS_FAILURE_PLAIN;
}

void tls_failure_words(char *text, size_t size) {
  unsigned long code = ERR_peek_error();
  const char *words =
      ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
  snprintf(text, size, "%s", words != NULL ? words : "unknown reason");
  ERR_clear_error();
}

/* The peer's last alert; 0: it was another error. */
static int alert_of(unsigned long code) {
  int reason = ERR_GET_REASON(code);
  bool is_alert = ERR_GET_LIB(code) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET &&
                  reason < SSL_AD_REASON_OFFSET + 256;
  return is_alert ? reason - SSL_AD_REASON_OFFSET : 0;
}

static enum tls_failure failure_of_alert(const struct tls *tls, int alert) {
  bool has_offered = tls->context->has_key && !tls->is_open;
  switch (alert) {
    case SSL_AD_ILLEGAL_PARAMETER:
    case SSL_AD_DECRYPT_ERROR:
    case SSL_AD_UNKNOWN_PSK_IDENTITY:
      return has_offered ? TLS_FAILURE_KEY : TLS_FAILURE_REFUSED;
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
      return TLS_FAILURE_CERTIFICATE_REFUSED;
    case SSL_AD_CERTIFICATE_REQUIRED:
      return TLS_FAILURE_NO_CERTIFICATE;
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_PROTOCOL_VERSION:
    case SSL_AD_INSUFFICIENT_SECURITY:
    case SSL_AD_NO_APPLICATION_PROTOCOL:
      return TLS_FAILURE_REFUSED;
    default:
      return TLS_FAILURE_BROKEN;
  }
}

static bool is_other_host(long verified) {
  return verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH;
}

/* OpenSSL forgets a certificate that it refuses; its names are what the user has to see. */
int tls_failure_verified(int is_verified, X509_STORE_CTX *chain) {
  struct tls *tls = SSL_get_app_data(
      (SSL *)X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (!is_verified && is_other_host(X509_STORE_CTX_get_error(chain)) && tls->names == NULL) {
    tls->names = tls_names_of(X509_STORE_CTX_get0_cert(chain));
  }
  return is_verified;
}

static void record_certificate(struct tls *tls, long verified) {
  const char *text = X509_verify_cert_error_string(verified);
  if (tls->context->has_key) {
    tls->failure = TLS_FAILURE_NO_KEYS;
  } else if (is_other_host(verified) && tls->names != NULL) {
    const char *kind = strchr(tls->names, ':');
    tls->failure = TLS_FAILURE_NAME;
    text = kind != NULL ? kind + 1 : "";
  } else {
    tls->failure = TLS_FAILURE_NOT_TRUSTED;
  }
  snprintf(tls->text, sizeof tls->text, "%s", text);
  for (char *c = tls->text; *c != '\0'; c++) { /* the certificate is anybody's */
    *c = (uint8_t)*c < ' ' || *c == 127 ? '?' : *c;
  }
}

static enum tls_failure failure_of_code(unsigned long code) {
  if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) {
    return TLS_FAILURE_MEMORY;
  }
  switch (ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0) {
    case SSL_R_BINDER_DOES_NOT_VERIFY:
      return TLS_FAILURE_KEY;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return TLS_FAILURE_NO_CERTIFICATE;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return TLS_FAILURE_REFUSED;
    default:
      return TLS_FAILURE_BROKEN;
  }
}

/* OpenSSL's words would be that no signature or cipher suits both. */
static bool lacks_key(const struct tls *tls, unsigned long code) {
  int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
  return tls->context->is_server && SSL_get_certificate(tls->ssl) == NULL &&
         (reason == SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM || reason == SSL_R_NO_SHARED_CIPHER);
}

void tls_failure_record(struct tls *tls) {
  unsigned long code = ERR_peek_error();
  long verified = tls->is_open ? X509_V_OK : SSL_get_verify_result(tls->ssl);
  tls->result = TLS_FAILED;
  tls_failure_words(tls->text, sizeof tls->text);
  if (tls->lacks_memory) {
    tls->failure = TLS_FAILURE_MEMORY;
  } else if (verified != X509_V_OK) {
    record_certificate(tls, verified);
  } else if (alert_of(code) != 0) {
    tls->failure = failure_of_alert(tls, alert_of(code));
  } else {
    tls->failure = failure_of_code(code);
  }
  if (lacks_key(tls, code)) {
    snprintf(tls->text, sizeof tls->text, "a client without a key, and no certificate here");
  }
}
