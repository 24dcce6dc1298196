/* The names in a certificate. */
#include "proto/tls/tls_parts.h"

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

struct names {
  char *text;
  size_t len; /* the empty name at the end comes behind it */
};

/* Appends prefix and name; leaves the name out when it does not fit, or holds a 0 byte. */
static void add(struct names *names, const char *prefix, const uint8_t *name, size_t len) {
  size_t prefix_len = strlen(prefix);
  if (len == 0 || memchr(name, 0, len) != NULL ||
      names->len + prefix_len + len + 2 > TLS_NAMES_BYTES_MAX) {
    return;
  }
  memcpy(names->text + names->len, prefix, prefix_len);
  memcpy(names->text + names->len + prefix_len, name, len);
  names->len += prefix_len + len + 1; /* behind it are zeros */
}

static void add_common_names(struct names *names, X509 *certificate) {
  const X509_NAME *subject = X509_get_subject_name(certificate);
  int idx = -1;
  while ((idx = X509_NAME_get_index_by_NID(subject, NID_commonName, idx)) >= 0) {
    unsigned char *name;
    int len =
        ASN1_STRING_to_UTF8(&name, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, idx)));
    if (len < 0) {
      continue;
    }
    add(names, "cn:", name, (size_t)len);
    OPENSSL_free(name);
  }
}

static void add_alternative_names(struct names *names, X509 *certificate) {
  GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all, i), &type);
    if (type == GEN_DNS || type == GEN_URI) {
      add(names, type == GEN_DNS ? "dns:" : "uri:", ASN1_STRING_get0_data(value),
          (size_t)ASN1_STRING_length(value));
    }
  }
  GENERAL_NAMES_free(all);
}

char *tls_names_of(X509 *certificate) {
  struct names names = {calloc(1, TLS_NAMES_BYTES_MAX), 0};
  if (names.text == NULL) {
    return NULL;
  }
  add_common_names(&names, certificate);
  add_alternative_names(&names, certificate);
  char *fitting = realloc(names.text, names.len + 1);
  return fitting != NULL ? fitting : names.text;
}
