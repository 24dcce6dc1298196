/* A connection over memory: see tls.h. */
#include "proto/tls/tls.h"

#include "proto/tls/tls_parts.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a record adds to its plaintext, and more. */
#define RECORD_OVERHEAD_BYTES 64
/* Content types of TLS: a connection begins with one of these. */
#define RECORD_ALERT 21
#define RECORD_HANDSHAKE 22

/* -------------------------------------------------------------------------------------- life */

/* The certificate has to be for that host. */
static bool expect_host(SSL *ssl, const char *host) {
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1) {
    return true;
  }
  return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

static bool make_ssl(struct tls *tls, const char *host) {
  tls->ssl = SSL_new(tls->context->ssl);
  if (tls->ssl == NULL || !tls_bio_set(tls) || SSL_set_app_data(tls->ssl, tls) != 1) {
    return false;
  }
  if (tls->context->is_server) {
    SSL_set_accept_state(tls->ssl);
    return true;
  }
  SSL_set_connect_state(tls->ssl);
  return host == NULL || expect_host(tls->ssl, host);
}

struct tls *tls_new(struct tls_context *context, struct buffer_budget *budget, const char *host) {
  struct tls *tls = calloc(1, sizeof *tls);
  if (tls == NULL) {
    return NULL;
  }
  buffer_init(&tls->input, budget);
  buffer_init(&tls->output, budget);
  tls->context = tls_context_share(context);
  if (!make_ssl(tls, host)) {
    tls_free(tls);
    ERR_clear_error();
    return NULL;
  }
  return tls;
}

void tls_free(struct tls *tls) {
  if (tls == NULL) {
    return;
  }
  SSL_free(tls->ssl);
  tls_context_release(tls->context);
  buffer_deinit(&tls->input);
  buffer_deinit(&tls->output);
  free(tls->names);
  free(tls);
}

struct buffer *tls_input(struct tls *tls) {
  return &tls->input;
}

struct buffer *tls_output(struct tls *tls) {
  return &tls->output;
}

/* --------------------------------------------------------------------------------- handshake */

/* Answers a client in clear by an alert, which tells it that this address wants TLS. */
static void answer_plain(struct tls *tls) {
  static const uint8_t alert[] = {RECORD_ALERT, 3, 3, 0, 2, 2, SSL_AD_PROTOCOL_VERSION};
  if (tls->context->is_server && buffer_reserve(&tls->output, sizeof alert)) {
    memcpy(buffer_end(&tls->output), alert, sizeof alert);
    tls->output.len += sizeof alert;
  }
}

/* Whether the peer speaks TLS at all; OpenSSL would look for older protocols, and for HTTP. */
static bool begins_with_record(struct tls *tls) {
  if (!tls->is_tls && tls->input.len > 0) {
    uint8_t first = *buffer_first(&tls->input);
    tls->is_tls = first == RECORD_HANDSHAKE || first == RECORD_ALERT;
    if (!tls->is_tls) {
      answer_plain(tls);
      tls->result = TLS_FAILED;
      tls->failure = TLS_FAILURE_PLAIN;
      snprintf(tls->text, sizeof tls->text, "the peer does not speak TLS");
    }
  }
  return tls->result != TLS_FAILED;
}

/* A first hello had a key, and a second one, which decides, another identity or none. */
static bool has_lost_key(const struct tls *tls) {
  return tls->context->is_server && SSL_session_reused(tls->ssl) == 1 && tls->offered == NULL;
}

static enum tls_result fail(struct tls *tls, const char *text) {
  ERR_clear_error();
  tls->result = TLS_FAILED;
  tls->failure = TLS_FAILURE_BROKEN;
  snprintf(tls->text, sizeof tls->text, "%s", text);
  return TLS_FAILED;
}

/* false: out of memory. */
static bool record_peer(struct tls *tls) {
  X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
  if (SSL_session_reused(tls->ssl) == 0) {
    tls->offered = NULL; /* offered, and not used */
  }
  if (certificate == NULL || !tls->context->is_server) {
    return true;
  }
  tls->names = tls_names_of(certificate);
  return tls->names != NULL;
}

enum tls_result tls_handshake(struct tls *tls) {
  if (tls->is_open || tls->result == TLS_FAILED || !begins_with_record(tls)) {
    return tls->result;
  }
  ERR_clear_error();
  int rv = SSL_do_handshake(tls->ssl);
  if (rv == 1 && has_lost_key(tls)) {
    return fail(tls, "the key of one hello is not that of the next");
  }
  if (rv == 1) {
    tls->lacks_memory = !record_peer(tls);
  } else if (SSL_get_error(tls->ssl, rv) == SSL_ERROR_WANT_READ) {
    return TLS_WAITS;
  }
  if (rv != 1 || tls->lacks_memory) {
    tls_failure_record(tls);
    return TLS_FAILED;
  }
  tls->is_open = true;
  return TLS_OK;
}

struct tls_peer tls_peer(const struct tls *tls) {
  if (!tls->is_open) {
    return (struct tls_peer){.kind = TLS_PEER_UNKNOWN};
  }
  if (tls->offered != NULL) {
    return (struct tls_peer){.kind = TLS_PEER_KEY, .key = tls->offered};
  }
  enum tls_peer_kind kind = tls->names != NULL ? TLS_PEER_CERTIFICATE : TLS_PEER_UNKNOWN;
  return (struct tls_peer){.kind = kind, .names = tls->names};
}

/* ------------------------------------------------------------------------------------- bytes */

/* One record at most. */
static enum tls_result read_record(struct tls *tls, uint8_t *data, size_t capacity, size_t *count) {
  int rv = SSL_read_ex(tls->ssl, data, capacity, count);
  if (rv == 1) {
    tls->updates_count = 0;
    return TLS_OK;
  }
  *count = 0;
  if (tls->updates_count > TLS_UPDATES_MAX) {
    return fail(tls, "new keys again and again");
  }
  switch (SSL_get_error(tls->ssl, rv)) {
    case SSL_ERROR_WANT_READ:
      return TLS_WAITS;
    case SSL_ERROR_ZERO_RETURN:
      tls->result = TLS_ENDED;
      break;
    default:
      tls_failure_record(tls);
      break;
  }
  return tls->result;
}

enum tls_result tls_read(struct tls *tls, void *data, size_t capacity, size_t *count) {
  if (tls->result != TLS_OK || !tls->is_open) {
    return tls->result != TLS_OK ? tls->result : TLS_WAITS;
  }
  size_t total = 0;
  enum tls_result result = TLS_OK;
  ERR_clear_error();
  while (result == TLS_OK && total < capacity && tls_pending(tls) > 0) {
    size_t got;
    result = read_record(tls, (uint8_t *)data + total, capacity - total, &got);
    total += got;
  }
  if (total == 0) {
    return result == TLS_OK ? TLS_WAITS : result;
  }
  *count = total; /* how it ended is the next call's */
  return TLS_OK;
}

size_t tls_pending(const struct tls *tls) {
  return tls->result != TLS_OK ? 1 : (size_t)SSL_pending(tls->ssl) + tls->input.len;
}

bool tls_write(struct tls *tls, const void *data, size_t len) {
  size_t records = len / TLS_RECORD_BYTES_MAX + 1;
  size_t written;
  if (tls->result == TLS_FAILED) {
    return false;
  }
  ERR_clear_error();
  tls->lacks_memory = !buffer_reserve(&tls->output, len + records * RECORD_OVERHEAD_BYTES);
  bool is_written =
      !tls->lacks_memory && (len == 0 || SSL_write_ex(tls->ssl, data, len, &written) == 1);
  if (!is_written) {
    tls_failure_record(tls);
  }
  ERR_clear_error(); /* the queue is the thread's, which may use OpenSSL otherwise */
  return is_written;
}

void tls_goodbye(struct tls *tls) {
  if (tls->is_open && tls->result != TLS_FAILED && !tls->said_goodbye) {
    tls->said_goodbye = true;
    ERR_clear_error();
    (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
  }
}

/* ---------------------------------------------------------------------------------- failures */

enum tls_failure tls_failure(const struct tls *tls) {
  return tls->failure;
}

const char *tls_failure_text(const struct tls *tls) {
  return tls->text;
}

const char *tls_claimed_user(const struct tls *tls) {
  return tls->claimed_user;
}
