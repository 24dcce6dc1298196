#include "tests/support/certificates.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define DAY_S (24L * 3600)
#define PATH_BYTES 512

#define CHECK(what)                                                     \
  do {                                                                  \
    if (!(what)) {                                                      \
      fprintf(stderr, "%s:%d: %s failed\n", __FILE__, __LINE__, #what); \
      abort();                                                          \
    }                                                                   \
  } while (0)

static FILE *open_file(const char *directory, const char *name, const char *suffix,
                       const char *mode) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/%s.%s", directory, name, suffix);
  FILE *file = fopen(path, mode);
  CHECK(file != NULL);
  return file;
}

static EVP_PKEY *read_key(const char *directory, const char *name) {
  FILE *file = open_file(directory, name, "key", "re");
  EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
  fclose(file);
  CHECK(key != NULL);
  return key;
}

static X509 *read_certificate(const char *directory, const char *name) {
  FILE *file = open_file(directory, name, "crt", "re");
  X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
  fclose(file);
  CHECK(certificate != NULL);
  return certificate;
}

static void write_key(const char *directory, const char *name, EVP_PKEY *key) {
  FILE *file = open_file(directory, name, "key", "we");
  CHECK(fchmod(fileno(file), 0600) == 0);
  CHECK(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
  CHECK(fclose(file) == 0);
}

static void set_name(X509 *certificate, const char *name) {
  CHECK(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                                   (const unsigned char *)name, -1, -1, 0) == 1);
}

static void extend(X509 *certificate, X509 *issuer, int extension, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
  X509_EXTENSION *made = X509V3_EXT_conf_nid(NULL, &context, extension, value);
  CHECK(made != NULL && X509_add_ext(certificate, made, -1) == 1);
  X509_EXTENSION_free(made);
}

static void set_times(X509 *certificate, bool is_expired) {
  CHECK(X509_gmtime_adj(X509_getm_notBefore(certificate), -2 * DAY_S) != NULL);
  CHECK(X509_gmtime_adj(X509_getm_notAfter(certificate), is_expired ? -DAY_S : 365 * DAY_S) !=
        NULL);
}

static long next_serial(void) {
  static long serial = 1;
  return serial++;
}

void certificate_make(const char *directory, const struct certificate *wanted) {
  EVP_PKEY *key = wanted->is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
  X509 *made = X509_new();
  CHECK(key != NULL && made != NULL);
  bool is_authority = wanted->authority == NULL;
  X509 *issuer = is_authority ? made : read_certificate(directory, wanted->authority);
  EVP_PKEY *signer = is_authority ? key : read_key(directory, wanted->authority);
  CHECK(X509_set_version(made, X509_VERSION_3) == 1);
  CHECK(ASN1_INTEGER_set(X509_get_serialNumber(made), next_serial()) == 1);
  set_name(made, wanted->common_name != NULL ? wanted->common_name : wanted->name);
  set_times(made, wanted->is_expired);
  CHECK(X509_set_issuer_name(made, X509_get_subject_name(issuer)) == 1);
  CHECK(X509_set_pubkey(made, key) == 1);
  extend(made, issuer, NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "CA:FALSE");
  extend(made, issuer, NID_subject_key_identifier, "hash");
  if (wanted->alternatives != NULL) {
    extend(made, issuer, NID_subject_alt_name, wanted->alternatives);
  }
  CHECK(X509_sign(made, signer, EVP_sha256()) > 0);
  FILE *file = open_file(directory, wanted->name, "crt", "we");
  CHECK(PEM_write_X509(file, made) == 1 && fclose(file) == 0);
  write_key(directory, wanted->name, key);
  if (!is_authority) {
    X509_free(issuer);
    EVP_PKEY_free(signer);
  }
  X509_free(made);
  EVP_PKEY_free(key);
}

static void add_revoked(X509_CRL *crl, X509 *certificate) {
  X509_REVOKED *entry = X509_REVOKED_new();
  ASN1_TIME *at = ASN1_TIME_set(NULL, time(NULL) - DAY_S);
  CHECK(entry != NULL && at != NULL);
  CHECK(X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate)) == 1);
  CHECK(X509_REVOKED_set_revocationDate(entry, at) == 1);
  CHECK(X509_CRL_add0_revoked(crl, entry) == 1);
  ASN1_TIME_free(at);
}

void certificate_revoke(const char *directory, const char *authority, const char *revoked,
                        const char *name) {
  X509 *issuer = read_certificate(directory, authority);
  EVP_PKEY *signer = read_key(directory, authority);
  X509_CRL *crl = X509_CRL_new();
  ASN1_TIME *last = ASN1_TIME_set(NULL, time(NULL) - DAY_S);
  ASN1_TIME *next = ASN1_TIME_set(NULL, time(NULL) + DAY_S);
  CHECK(crl != NULL && last != NULL && next != NULL);
  CHECK(X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1);
  CHECK(X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) == 1);
  CHECK(X509_CRL_set1_lastUpdate(crl, last) == 1 && X509_CRL_set1_nextUpdate(crl, next) == 1);
  if (revoked != NULL) {
    X509 *certificate = read_certificate(directory, revoked);
    add_revoked(crl, certificate);
    X509_free(certificate);
  }
  CHECK(X509_CRL_sign(crl, signer, EVP_sha256()) > 0);
  FILE *file = open_file(directory, name, "crl", "we");
  CHECK(PEM_write_X509_CRL(file, crl) == 1 && fclose(file) == 0);
  ASN1_TIME_free(last);
  ASN1_TIME_free(next);
  X509_CRL_free(crl);
  X509_free(issuer);
  EVP_PKEY_free(signer);
}
