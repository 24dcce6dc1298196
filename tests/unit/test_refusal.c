/* What a user reads when a TLS handshake fails: each sentence word for word. */
#include "client/src/transport/tls_refusal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/src/transport/dial_error.h"

static const struct credentials_files key_only = {.key = "/run/secrets/hf"};
static const struct credentials_files certificate = {
    .ca = "/etc/ca.crt", .certificate = "/etc/me.pem", .private_key = "/etc/me.key"};
static const struct credentials_files nothing;

static void expect(enum tls_failure failure, const char *cause,
                   const struct credentials_files *files, hf_reason reason, const char *expected) {
  char sentence[512] = "";
  const struct refusal refusal = {.address = "h:4653",
                                  .user = files->key != NULL ? "alice" : "",
                                  .files = files,
                                  .failure = failure,
                                  .cause = cause};
  int error = refusal_explain(&refusal, sentence, sizeof sentence);
  assert_int_equal(dial_error_reason(error, false), reason);
  assert_int_equal(hf_reason_status(reason), reason != HF_REASON_NONE ? HF_UNAUTHENTICATED : HF_OK);
  assert_string_equal(sentence, expected);
}

static void test_keys(void **state) {
  (void)state;
  expect(TLS_FAILURE_KEY, "sslv3 alert illegal parameter", &key_only, HF_REASON_KEY_REFUSED,
         "tls+tcp://h:4653 does not accept the key of \"alice\" in /run/secrets/hf; is it in the "
         "server's key file, and was that reloaded?");
  expect(TLS_FAILURE_NO_KEYS, "unable to get local issuer certificate", &key_only,
         HF_REASON_KEY_REFUSED,
         "tls+tcp://h:4653 has no keys: give HOLDFAST_CA_FILE and a certificate, or set key_file "
         "there");
}

static void test_certificates_of_clients(void **state) {
  static const char wants[] =
      "the server wants a certificate (HOLDFAST_CERT_FILE) or a key (HOLDFAST_KEY_FILE)";
  (void)state;
  expect(TLS_FAILURE_NO_CERTIFICATE, "certificate required", &nothing, HF_REASON_NOT_ADMITTED,
         wants);
  expect(TLS_FAILURE_REFUSED, "sslv3 alert handshake failure", &nothing, HF_REASON_NOT_ADMITTED,
         wants);
  expect(TLS_FAILURE_CERTIFICATE_REFUSED, "tlsv1 alert unknown ca", &certificate,
         HF_REASON_NOT_ADMITTED, "the server does not know the CA of HOLDFAST_CERT_FILE");
  expect(TLS_FAILURE_CERTIFICATE_REFUSED, "sslv3 alert certificate expired", &certificate,
         HF_REASON_NOT_ADMITTED,
         "the server refuses the certificate of HOLDFAST_CERT_FILE: sslv3 alert certificate "
         "expired");
  expect(TLS_FAILURE_REFUSED, "tlsv1 alert protocol version", &certificate, HF_REASON_NOT_ADMITTED,
         "tls+tcp://h:4653 refuses the connection: tlsv1 alert protocol version");
}

static void test_servers_that_are_not_trusted(void **state) {
  (void)state;
  expect(TLS_FAILURE_NOT_TRUSTED, "unable to get local issuer certificate", &certificate,
         HF_REASON_SERVER_NOT_TRUSTED,
         "tls+tcp://h:4653: unable to get local issuer certificate; HOLDFAST_CA_FILE=/etc/ca.crt");
  expect(TLS_FAILURE_NOT_TRUSTED, "self-signed certificate", &nothing, HF_REASON_SERVER_NOT_TRUSTED,
         "tls+tcp://h:4653: self-signed certificate; HOLDFAST_CA_FILE is not set");
  expect(TLS_FAILURE_NAME, "localhost", &certificate, HF_REASON_SERVER_NOT_TRUSTED,
         "the certificate is for localhost, not for h");
  expect(TLS_FAILURE_PLAIN, "wrong version number", &certificate, HF_REASON_SERVER_NOT_TRUSTED,
         "tls+tcp://h:4653 answers in clear; use tcp:// there");
}

static void test_what_is_worth_another_attempt(void **state) {
  const struct refusal broken = {.files = &nothing, .failure = TLS_FAILURE_BROKEN, .cause = ""};
  const struct refusal memory = {.files = &nothing, .failure = TLS_FAILURE_MEMORY, .cause = ""};
  char sentence[512];
  (void)state;
  expect(TLS_FAILURE_BROKEN, "bad record mac", &key_only, HF_REASON_NONE, "");
  assert_int_equal(refusal_explain(&broken, sentence, sizeof sentence), DIAL_HANDSHAKE_BROKEN);
  assert_int_equal(refusal_explain(&memory, sentence, sizeof sentence), ENOMEM);
}

/* While the server is away something else may answer for it. Another key or certificate does not come by
 * itself. */
static void test_what_is_worth_another_attempt_of_who_was_in(void **state) {
  (void)state;
  for (int failure = TLS_FAILURE_MEMORY; failure <= TLS_FAILURE_NAME; failure++) {
    char sentence[512];
    const struct refusal refusal = {.address = "h:1",
                                    .user = "alice",
                                    .files = &key_only,
                                    .failure = (enum tls_failure)failure,
                                    .cause = "a cause"};
    int error = refusal_explain(&refusal, sentence, sizeof sentence);
    assert_int_equal(
        dial_error_reason(error, true) != HF_REASON_NONE,
        failure != TLS_FAILURE_PLAIN && tls_failure_is_permanent((enum tls_failure)failure));
  }
}

/* What is final for the one is for the other. */
static void test_permanent_failures_are_final(void **state) {
  (void)state;
  for (int failure = TLS_FAILURE_MEMORY; failure <= TLS_FAILURE_NAME; failure++) {
    char sentence[512];
    const struct refusal refusal = {.address = "h:1",
                                    .user = "alice",
                                    .files = &key_only,
                                    .failure = (enum tls_failure)failure,
                                    .cause = "a cause"};
    int error = refusal_explain(&refusal, sentence, sizeof sentence);
    assert_int_equal(dial_error_reason(error, false) != HF_REASON_NONE,
                     tls_failure_is_permanent((enum tls_failure)failure));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_keys),
      cmocka_unit_test(test_certificates_of_clients),
      cmocka_unit_test(test_servers_that_are_not_trusted),
      cmocka_unit_test(test_what_is_worth_another_attempt),
      cmocka_unit_test(test_what_is_worth_another_attempt_of_who_was_in),
      cmocka_unit_test(test_permanent_failures_are_final),
  };
  return cmocka_run_group_tests_name("unit.refusal", tests, NULL, NULL);
}
