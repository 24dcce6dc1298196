/* TLS over memory: who is let in, by keys and by certificates, and which files settings may name. Times are real
 * only in those of two certificates, one has expired. */
#include "tests/support/tls_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "proto/tls/tls_parts.h" /* for what only a hostile peer does */

/* ------------------------------------------------------------------------------------ keys */

static void key_opens(void **state) {
  (void)state;
  struct tls_pair pair = tls_pair_with_keys("alice.key", "keys");
  tls_pair_shake(&pair);
  tls_pair_assert_talks(&pair);
  struct tls_peer peer = tls_peer(pair.server);
  assert_int_equal(peer.kind, TLS_PEER_KEY);
  assert_string_equal(peer.key->user, "alice");
  struct key key = tls_key_of("alice.key");
  assert_memory_equal(peer.key->id, key.id, sizeof key.id);
  assert_string_equal(SSL_get_cipher_name(pair.server->ssl), "TLS_AES_128_GCM_SHA256");
  tls_pair_free(&pair);
}

/* The peer is nobody before it has proved that it has the key. */
static void claims_are_no_proof(void **state) {
  (void)state;
  struct tls_pair pair = tls_pair_with_keys("alice.key", "keys");
  assert_int_equal(tls_handshake(pair.client), TLS_WAITS);
  tls_pair_carry(pair.client, pair.server, SIZE_MAX);
  assert_int_equal(tls_handshake(pair.server), TLS_WAITS);
  assert_string_equal(tls_claimed_user(pair.server), "alice");
  assert_int_equal(tls_peer(pair.server).kind, TLS_PEER_UNKNOWN);
  tls_pair_free(&pair);
}

/* Runs a refused handshake. The alert's record is copied to `alert`. */
static size_t refused(const char *client, const char *user, uint8_t alert[64]) {
  struct tls_pair pair = tls_pair_with_keys(client, "keys");
  assert_int_equal(tls_handshake(pair.client), TLS_WAITS);
  tls_pair_carry(pair.client, pair.server, SIZE_MAX);
  assert_int_equal(tls_handshake(pair.server), TLS_FAILED);
  tls_assert_failed(pair.server, TLS_FAILURE_KEY);
  assert_string_equal(tls_claimed_user(pair.server), user);
  size_t len = tls_output(pair.server)->len;
  assert_in_range(len, 1, 64);
  memcpy(alert, buffer_first(tls_output(pair.server)), len);
  tls_pair_carry(pair.server, pair.client, SIZE_MAX);
  assert_int_equal(tls_handshake(pair.client), TLS_FAILED);
  tls_assert_failed(pair.client, TLS_FAILURE_KEY);
  assert_true(tls_failure_is_permanent(tls_failure(pair.client)));
  tls_pair_free(&pair);
  return len;
}

static void wrong_keys_and_unknown_users_are_refused_alike(void **state) {
  (void)state;
  uint8_t wrong[64], unknown[64];
  /* A line of the server's file has alice's name and id of "other.key", but not its secret. */
  size_t len = refused("other.key", "alice", wrong);
  assert_int_equal(refused("mallory.key", "mallory", unknown), len);
  assert_memory_equal(wrong, unknown, len);
}

/* A key whose identity the server knows, with another secret behind it. */
static void wrong_secret_is_refused(void **state) {
  (void)state;
  struct key key = tls_key_of("alice.key");
  key.psk[7] ^= 1;
  struct tls_pair pair =
      tls_pair_of(tls_client_of((struct tls_client_settings){.key = &key}),
                  tls_server_of((struct tls_settings){.key_file = tls_file("keys")}), NULL);
  tls_pair_shake(&pair);
  tls_assert_failed(pair.server, TLS_FAILURE_KEY);
  tls_assert_failed(pair.client, TLS_FAILURE_KEY);
  assert_int_equal(tls_peer(pair.server).kind, TLS_PEER_UNKNOWN);
  tls_pair_free(&pair);
}

static void key_client_refuses_a_server_without_keys(void **state) {
  (void)state;
  struct key key = tls_key_of("alice.key");
  struct tls_pair pair = tls_pair_of(tls_client_of((struct tls_client_settings){.key = &key}),
                                     tls_server_of(tls_with_certificate()), "localhost");
  tls_pair_shake(&pair);
  tls_assert_failed(pair.client, TLS_FAILURE_NO_KEYS);
  tls_pair_free(&pair);
}

static void server_with_keys_refuses_a_client_without(void **state) {
  (void)state;
  struct tls_pair pair =
      tls_pair_of(tls_client_of(tls_with_ca(NULL)),
                  tls_server_of((struct tls_settings){.key_file = tls_file("keys")}), "localhost");
  tls_pair_shake(&pair);
  tls_assert_failed(pair.client, TLS_FAILURE_REFUSED);
  tls_assert_failed(pair.server, TLS_FAILURE_REFUSED);
  tls_pair_free(&pair);
}

/* -------------------------------------------------------------------------------- certificates */

static struct tls_pair pair_with_certificates(struct tls_client_settings client,
                                              struct tls_settings server, const char *host) {
  struct tls_pair pair = tls_pair_of(tls_client_of(client), tls_server_of(server), host);
  tls_pair_shake(&pair);
  return pair;
}

static void certificate_opens(void **state) {
  (void)state;
  static const char *const hosts[] = {"localhost", "127.0.0.1", "::1"};
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    struct tls_pair pair =
        pair_with_certificates(tls_with_ca(NULL), tls_with_certificate(), hosts[i]);
    tls_pair_assert_talks(&pair);
    assert_int_equal(tls_peer(pair.server).kind, TLS_PEER_UNKNOWN);
    tls_pair_free(&pair);
  }
}

static void assert_names(const char *names, const char *const *wanted, size_t count) {
  for (size_t i = 0; i < count; i++, names += strlen(names) + 1) {
    assert_string_equal(names, wanted[i]);
  }
  assert_string_equal(names, "");
}

static void clients_certificate_is_verified_and_named(void **state) {
  (void)state;
  static const char *const wanted[] = {"cn:worker", "dns:worker.example",
                                       "uri:spiffe://cluster/worker"};
  struct tls_pair pair =
      pair_with_certificates(tls_with_ca("worker"), tls_with_client_ca(), "localhost");
  tls_pair_assert_talks(&pair);
  struct tls_peer peer = tls_peer(pair.server);
  assert_int_equal(peer.kind, TLS_PEER_CERTIFICATE);
  assert_names(peer.names, wanted, 3);
  tls_pair_free(&pair);
}

/* A common name that looks like another kind of name is still a common name. */
static void kinds_of_names_are_kept_apart(void **state) {
  (void)state;
  static const char *const wanted[] = {"cn:dns:worker.example"};
  struct tls_pair pair =
      pair_with_certificates(tls_with_ca("liar"), tls_with_client_ca(), "localhost");
  tls_pair_assert_open(&pair);
  assert_names(tls_peer(pair.server).names, wanted, 1);
  tls_pair_free(&pair);
}

static void keys_and_certificates_at_one_address(void **state) {
  (void)state;
  struct tls_settings settings = tls_with_client_ca();
  settings.key_file = tls_file("keys");
  struct key key = tls_key_of("alice.key");
  struct tls_pair pair =
      pair_with_certificates((struct tls_client_settings){.key = &key}, settings, "localhost");
  tls_pair_assert_talks(&pair);
  assert_int_equal(tls_peer(pair.server).kind, TLS_PEER_KEY);
  tls_pair_free(&pair);
  pair = pair_with_certificates(tls_with_ca("worker"), settings, "localhost");
  tls_pair_assert_talks(&pair);
  assert_int_equal(tls_peer(pair.server).kind, TLS_PEER_CERTIFICATE);
  tls_pair_free(&pair);
}

static void missing_certificate_is_refused(void **state) {
  (void)state;
  struct tls_pair pair =
      pair_with_certificates(tls_with_ca(NULL), tls_with_client_ca(), "localhost");
  tls_assert_failed(pair.server, TLS_FAILURE_NO_CERTIFICATE);
  size_t count;
  uint8_t byte;
  assert_int_equal(tls_read(pair.client, &byte, 1, &count), TLS_FAILED); /* it comes afterwards */
  tls_assert_failed(pair.client, TLS_FAILURE_NO_CERTIFICATE);
  tls_pair_free(&pair);
}

static void refuses_certificate(const char *name, struct tls_settings settings) {
  struct tls_pair pair = pair_with_certificates(tls_with_ca(name), settings, "localhost");
  tls_assert_failed(pair.server, TLS_FAILURE_NOT_TRUSTED);
  size_t count;
  uint8_t byte;
  assert_int_equal(tls_read(pair.client, &byte, 1, &count), TLS_FAILED);
  tls_assert_failed(pair.client, TLS_FAILURE_CERTIFICATE_REFUSED);
  assert_int_equal(tls_peer(pair.server).kind, TLS_PEER_UNKNOWN);
  tls_pair_free(&pair);
}

static void bad_certificates_of_clients_are_refused(void **state) {
  (void)state;
  refuses_certificate("foreign", tls_with_client_ca());
  refuses_certificate("expired", tls_with_client_ca());
  struct tls_settings settings = tls_with_client_ca();
  settings.crl = tls_file("revoked.crl");
  refuses_certificate("worker", settings);
  settings.crl = tls_file("empty.crl");
  struct tls_pair pair = pair_with_certificates(tls_with_ca("worker"), settings, "localhost");
  tls_pair_assert_open(&pair);
  tls_pair_free(&pair);
}

static void refuses_server(const char *certificate, const char *key, const char *host,
                           enum tls_failure failure, const char *text) {
  struct tls_settings settings = {.certificate = tls_file(certificate),
                                  .private_key = tls_file(key)};
  struct tls_pair pair = pair_with_certificates(tls_with_ca(NULL), settings, host);
  tls_assert_failed(pair.client, failure);
  assert_non_null(strstr(tls_failure_text(pair.client), text));
  tls_assert_failed(pair.server, TLS_FAILURE_CERTIFICATE_REFUSED);
  tls_pair_free(&pair);
}

static void bad_certificates_of_servers_are_refused(void **state) {
  (void)state;
  refuses_server("foreign.crt", "foreign.key", "localhost", TLS_FAILURE_NOT_TRUSTED, "issuer");
  refuses_server("expired.crt", "expired.key", "localhost", TLS_FAILURE_NOT_TRUSTED, "expired");
  struct tls_settings settings = tls_with_certificate();
  struct tls_pair pair = pair_with_certificates(tls_with_ca(NULL), settings, "other.example");
  tls_assert_failed(pair.client, TLS_FAILURE_NAME);
  assert_string_equal(tls_failure_text(pair.client), "localhost");
  tls_pair_free(&pair);
  pair = pair_with_certificates(tls_with_ca(NULL), settings, "127.0.0.2");
  tls_assert_failed(pair.client, TLS_FAILURE_NAME);
  tls_pair_free(&pair);
}

/* nng's clients know nothing newer. */
static void tls_1_2_is_for_certificates(void **state) {
  (void)state;
  struct tls_context *client = tls_client_of(tls_with_ca("worker"));
  SSL_CTX_set_max_proto_version(client->ssl, TLS1_2_VERSION);
  struct tls_pair pair =
      tls_pair_of(tls_context_share(client), tls_server_of(tls_with_client_ca()), "localhost");
  tls_pair_shake(&pair);
  tls_pair_assert_talks(&pair);
  assert_string_equal(SSL_get_version(pair.server->ssl), "TLSv1.2");
  assert_int_equal(tls_peer(pair.server).kind, TLS_PEER_CERTIFICATE);
  tls_pair_free(&pair);
  struct tls_settings settings = tls_with_client_ca();
  settings.min_version = TLS_VERSION_1_3;
  pair = tls_pair_of(client, tls_server_of(settings), "localhost");
  tls_pair_shake(&pair);
  tls_assert_failed(pair.server, TLS_FAILURE_REFUSED);
  tls_assert_failed(pair.client, TLS_FAILURE_REFUSED);
  tls_pair_free(&pair);
}

/* Nobody can make a server work for nothing by asking for a new handshake. */
static void renegotiation_is_refused(void **state) {
  (void)state;
  struct tls_context *client = tls_client_of(tls_with_ca(NULL));
  SSL_CTX_set_max_proto_version(client->ssl, TLS1_2_VERSION);
  SSL_CTX_clear_options(client->ssl, SSL_OP_NO_RENEGOTIATION);
  struct tls_pair pair = tls_pair_of(client, tls_server_of(tls_with_certificate()), "localhost");
  tls_pair_shake(&pair);
  tls_pair_assert_open(&pair);
  assert_int_equal(SSL_renegotiate(pair.client->ssl), 1);
  (void)SSL_do_handshake(pair.client->ssl);
  assert_true(tls_pair_carry(pair.client, pair.server, SIZE_MAX) > 0);
  size_t count;
  uint8_t byte;
  assert_int_equal(tls_read(pair.server, &byte, 1, &count), TLS_WAITS);
  tls_pair_carry(pair.server, pair.client, SIZE_MAX);
  assert_true(SSL_do_handshake(pair.client->ssl) != 1); /* a warning: none */
  tls_pair_free(&pair);
}

static void other_protocols_are_refused(void **state) {
  (void)state;
  static const unsigned char http[] = "\x08http/1.1";
  struct tls_context *client = tls_client_of(tls_with_ca(NULL));
  SSL_CTX_set_alpn_protos(client->ssl, http, sizeof http - 1);
  struct tls_pair pair = tls_pair_of(client, tls_server_of(tls_with_certificate()), "localhost");
  tls_pair_shake(&pair);
  tls_assert_failed(pair.server, TLS_FAILURE_REFUSED);
  tls_assert_failed(pair.client, TLS_FAILURE_REFUSED);
  tls_pair_free(&pair);
  client = tls_client_of(tls_with_ca(NULL));
  SSL_CTX_set_alpn_protos(client->ssl, NULL, 0); /* nng's clients name none */
  pair = tls_pair_of(client, tls_server_of(tls_with_certificate()), "localhost");
  tls_pair_shake(&pair);
  tls_pair_assert_talks(&pair);
  tls_pair_free(&pair);
}

/* ------------------------------------------------------------------------------------- files */

static void refuses_settings(struct tls_settings settings, const char *words) {
  char error[TLS_ERROR_BYTES];
  assert_null(tls_context_new_server(&settings, error));
  if (strstr(error, words) == NULL) {
    fail_msg("\"%s\" has no \"%s\"", error, words);
  }
}

static void bad_files_are_named(void **state) {
  (void)state;
  refuses_settings((struct tls_settings){0}, "neither a key file nor a certificate");
  struct tls_settings settings = tls_with_certificate();
  settings.private_key = tls_file("worker.key");
  refuses_settings(settings, "key values mismatch");
  settings = tls_with_certificate();
  settings.certificate = tls_file("missing.crt");
  refuses_settings(settings, "missing.crt: No such file or directory");
  settings = tls_with_certificate();
  settings.private_key = tls_file("missing.key");
  refuses_settings(settings, "private key");
  assert_int_equal(chmod(tls_file("server.key"), 0640), 0);
  refuses_settings(tls_with_certificate(), "server.key: mode 0640 lets others read it; chmod 600");
  setenv("CREDENTIALS_DIRECTORY", tls_file(""), 1);
  settings = tls_with_certificate();
  tls_context_release(tls_server_of(settings));
  unsetenv("CREDENTIALS_DIRECTORY");
  assert_int_equal(chmod(tls_file("server.key"), 0600), 0);
  settings.client_ca = tls_file("keys");
  refuses_settings(settings, "client CA");
  settings = tls_with_client_ca();
  settings.crl = tls_file("keys");
  refuses_settings(settings, "CRL");
  refuses_settings((struct tls_settings){.key_file = tls_file("ca.crt")}, "ca.crt");
  settings = tls_with_certificate();
  settings.crl = tls_file("revoked.crl");
  refuses_settings(settings, "the client CA is not set");
  settings = (struct tls_settings){.key_file = tls_file("keys"), .client_ca = tls_file("ca.crt")};
  refuses_settings(settings, "the server's certificate is not set");
  settings =
      (struct tls_settings){.key_file = tls_file("keys"), .private_key = tls_file("server.key")};
  refuses_settings(settings, "its certificate is not set");
}

static void expiry_is_known(void **state) {
  (void)state;
  struct tls_context *context = tls_server_of(tls_with_certificate());
  assert_in_range(tls_context_expiry(context), time(NULL) + 300L * 24 * 3600,
                  time(NULL) + 366L * 24 * 3600);
  tls_context_release(context);
  context = tls_server_of((struct tls_settings){.certificate = tls_file("expired.crt"),
                                                .private_key = tls_file("expired.key")});
  assert_in_range(tls_context_expiry(context), 1, time(NULL));
  tls_context_release(context);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(key_opens),
      cmocka_unit_test(claims_are_no_proof),
      cmocka_unit_test(wrong_keys_and_unknown_users_are_refused_alike),
      cmocka_unit_test(wrong_secret_is_refused),
      cmocka_unit_test(key_client_refuses_a_server_without_keys),
      cmocka_unit_test(server_with_keys_refuses_a_client_without),
      cmocka_unit_test(certificate_opens),
      cmocka_unit_test(clients_certificate_is_verified_and_named),
      cmocka_unit_test(kinds_of_names_are_kept_apart),
      cmocka_unit_test(keys_and_certificates_at_one_address),
      cmocka_unit_test(missing_certificate_is_refused),
      cmocka_unit_test(bad_certificates_of_clients_are_refused),
      cmocka_unit_test(bad_certificates_of_servers_are_refused),
      cmocka_unit_test(tls_1_2_is_for_certificates),
      cmocka_unit_test(renegotiation_is_refused),
      cmocka_unit_test(other_protocols_are_refused),
      cmocka_unit_test(bad_files_are_named),
      cmocka_unit_test(expiry_is_known),
  };
  return cmocka_run_group_tests(tests, tls_files_make, tls_files_remove);
}
