#include "client/src/transport/tls_refusal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/src/transport/dial_error.h"
#include "client/src/transport/resolve.h"

#define WANTS_MORE \
  "the server wants a certificate (HOLDFAST_CERT_FILE) or a key (HOLDFAST_KEY_FILE)"

static int key_refused(const struct refusal *refusal, char *sentence, size_t size) {
  if (refusal->failure == TLS_FAILURE_NO_KEYS) {
    snprintf(sentence, size,
             "tls+tcp://%s has no keys: give HOLDFAST_CA_FILE and a certificate, or set key_file "
             "there",
             refusal->address);
  } else {
    snprintf(sentence, size,
             "tls+tcp://%s does not accept the key of \"%s\" in %s; is it in the server's key "
             "file, and was that reloaded?",
             refusal->address, refusal->user, refusal->files->key);
  }
  return DIAL_KEY_REFUSED;
}

static int not_admitted(const struct refusal *refusal, char *sentence, size_t size) {
  const struct credentials_files *files = refusal->files;
  bool has_nothing = files->key == NULL && files->certificate == NULL;
  if (has_nothing || refusal->failure == TLS_FAILURE_NO_CERTIFICATE) {
    snprintf(sentence, size, WANTS_MORE);
  } else if (refusal->failure == TLS_FAILURE_REFUSED) {
    snprintf(sentence, size, "tls+tcp://%s refuses the connection: %s", refusal->address,
             refusal->cause);
  } else if (strstr(refusal->cause, "unknown ca") != NULL) {
    snprintf(sentence, size, "the server does not know the CA of HOLDFAST_CERT_FILE");
  } else {
    snprintf(sentence, size, "the server refuses the certificate of HOLDFAST_CERT_FILE: %s",
             refusal->cause);
  }
  return DIAL_NOT_ADMITTED;
}

static int not_trusted(const struct refusal *refusal, char *sentence, size_t size) {
  const char *ca = refusal->files->ca, *address = refusal->address;
  char host[RESOLVE_HOST_BYTES_MAX] = "";
  const char *port;
  switch (refusal->failure) {
    case TLS_FAILURE_PLAIN:
      snprintf(sentence, size, "tls+tcp://%s answers in clear; use tcp:// there", address);
      return DIAL_IN_CLEAR;
    case TLS_FAILURE_NAME:
      (void)resolve_split(address, host, &port);
      snprintf(sentence, size, "the certificate is for %s, not for %s", refusal->cause, host);
      break;
    default:
      snprintf(sentence, size, "tls+tcp://%s: %s; HOLDFAST_CA_FILE%s%s", address, refusal->cause,
               ca != NULL ? "=" : " is not set", ca != NULL ? ca : "");
  }
  return DIAL_SERVER_NOT_TRUSTED;
}

int refusal_explain(const struct refusal *refusal, char *sentence, size_t sentence_size) {
  switch (refusal->failure) {
    case TLS_FAILURE_KEY:
    case TLS_FAILURE_NO_KEYS:
      return key_refused(refusal, sentence, sentence_size);
    case TLS_FAILURE_REFUSED:
    case TLS_FAILURE_NO_CERTIFICATE:
    case TLS_FAILURE_CERTIFICATE_REFUSED:
      return not_admitted(refusal, sentence, sentence_size);
    case TLS_FAILURE_PLAIN:
    case TLS_FAILURE_NOT_TRUSTED:
    case TLS_FAILURE_NAME:
      return not_trusted(refusal, sentence, sentence_size);
    case TLS_FAILURE_MEMORY:
      return ENOMEM;
    default:
      return DIAL_HANDSHAKE_BROKEN;
  }
}
