/* TLS over memory: both sides of a connection in one thread, with keys and with certificates that are
 * made here. Times are real only in that of two certificates, one has expired. */
#include "proto/tls/tls.h"
#include "tests/support/certificates.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>
#include <openssl/ssl.h>

#include "proto/tls/tls_parts.h" /* for what only a hostile peer does */

#define PATH_BYTES 256
#define LARGE_BYTES ((size_t)300 << 10)

static char directory[] = "/tmp/holdfast-tls-XXXXXX";
static struct buffer_budget budget = {.bytes_max = (size_t)64 << 20};

/* A file of the directory; one of a few texts that are used in turn. */
static const char *file(const char *name) {
  static char paths[32][PATH_BYTES];
  static unsigned next;
  char *path = paths[next++ % 32];
  snprintf(path, PATH_BYTES, "%s/%.200s", directory, name);
  return path;
}

/* ------------------------------------------------------------------------------------ both */

static struct tls_context *server_of(struct tls_settings settings) {
  char error[TLS_ERROR_BYTES];
  struct tls_context *context = tls_context_new_server(&settings, error);
  if (context == NULL) {
    fail_msg("%s", error);
  }
  return context;
}

static struct tls_context *client_of(struct tls_client_settings settings) {
  char error[TLS_ERROR_BYTES];
  struct tls_context *context = tls_context_new_client(&settings, error);
  if (context == NULL) {
    fail_msg("%s", error);
  }
  return context;
}

static struct key key_of(const char *name) {
  struct keys keys;
  char error[KEY_ERROR_BYTES];
  assert_true(keys_read(&keys, file(name), error));
  struct key key = keys.items[0];
  keys_deinit(&keys);
  return key;
}

static struct tls_settings with_certificate(void) {
  return (struct tls_settings){.certificate = file("server.crt"),
                               .private_key = file("server.key")};
}

static struct tls_settings with_client_ca(void) {
  struct tls_settings settings = with_certificate();
  settings.client_ca = file("ca.crt");
  return settings;
}

static struct tls_client_settings with_ca(const char *name) {
  struct tls_client_settings settings = {.ca = file("ca.crt")};
  char path[PATH_BYTES];
  if (name != NULL) {
    snprintf(path, sizeof path, "%s.crt", name);
    settings.certificate = file(path);
    snprintf(path, sizeof path, "%s.key", name);
    settings.private_key = file(path);
  }
  return settings;
}

struct pair {
  struct tls *client, *server;
  enum tls_result client_result, server_result;
};

/* Takes the contexts. */
static struct pair pair_of(struct tls_context *client, struct tls_context *server,
                           const char *host) {
  struct pair pair = {tls_new(client, &budget, host), tls_new(server, &budget, NULL), TLS_WAITS,
                      TLS_WAITS};
  assert_non_null(pair.client);
  assert_non_null(pair.server);
  tls_context_release(client);
  tls_context_release(server);
  return pair;
}

static void free_pair(struct pair *pair) {
  tls_free(pair->client);
  tls_free(pair->server);
  assert_int_equal(budget.used_bytes, 0);
}

/* What one side has sent arrives, as many bytes at most. */
static size_t carry(struct tls *from, struct tls *to, size_t bytes_max) {
  struct buffer *sent = tls_output(from), *received = tls_input(to);
  size_t count = sent->len < bytes_max ? sent->len : bytes_max;
  assert_true(buffer_reserve(received, count));
  if (count > 0) {
    memcpy(buffer_end(received), buffer_first(sent), count);
    received->len += count;
    buffer_consume(sent, count);
  }
  return count;
}

/* Until neither has anything to say. */
static void shake_by(struct pair *pair, size_t bytes_max) {
  size_t carried;
  do {
    pair->client_result = tls_handshake(pair->client);
    carried = carry(pair->client, pair->server, bytes_max);
    pair->server_result = tls_handshake(pair->server);
    carried += carry(pair->server, pair->client, bytes_max);
  } while (carried > 0);
}

static void shake(struct pair *pair) {
  shake_by(pair, SIZE_MAX);
}

static void assert_open(const struct pair *pair) {
  if (pair->client_result != TLS_OK || pair->server_result != TLS_OK) {
    fail_msg("client: %d %s; server: %d %s", pair->client_result, tls_failure_text(pair->client),
             pair->server_result, tls_failure_text(pair->server));
  }
}

static void assert_failed(const struct tls *tls, enum tls_failure failure) {
  if (tls_failure(tls) != failure) {
    fail_msg("failure %d %s, not %d", tls_failure(tls), tls_failure_text(tls), failure);
  }
}

/* What was written on one side is read on the other. */
static void assert_carried(struct tls *from, struct tls *to, size_t len, size_t bytes_max) {
  uint8_t *sent = malloc(len), *got = malloc(len + 1);
  for (size_t i = 0; i < len; i++) {
    sent[i] = (uint8_t)(i * 31 + i / 251);
  }
  assert_true(tls_write(from, sent, len));
  size_t total = 0;
  while (carry(from, to, bytes_max) > 0) {
    size_t count;
    while (tls_read(to, got + total, len + 1 - total, &count) == TLS_OK) {
      total += count;
    }
    assert_int_equal(tls_pending(to), 0);
  }
  assert_int_equal(total, len);
  assert_memory_equal(got, sent, len);
  free(sent);
  free(got);
}

static void assert_talks(struct pair *pair) {
  assert_open(pair);
  assert_carried(pair->client, pair->server, 5, SIZE_MAX);
  assert_carried(pair->server, pair->client, LARGE_BYTES, SIZE_MAX);
  assert_carried(pair->client, pair->server, LARGE_BYTES, 1000);
}

/* ------------------------------------------------------------------------------------ keys */

static struct pair pair_with_keys(const char *client, const char *server) {
  struct key key = key_of(client);
  return pair_of(client_of((struct tls_client_settings){.key = &key}),
                 server_of((struct tls_settings){.key_file = file(server)}), "ignored.example");
}

static void key_opens(void **state) {
  (void)state;
  struct pair pair = pair_with_keys("alice.key", "keys");
  shake(&pair);
  assert_talks(&pair);
  struct tls_peer peer = tls_peer(pair.server);
  assert_int_equal(peer.kind, TLS_PEER_KEY);
  assert_string_equal(peer.key->user, "alice");
  struct key key = key_of("alice.key");
  assert_memory_equal(peer.key->id, key.id, sizeof key.id);
  assert_string_equal(SSL_get_cipher_name(pair.server->ssl), "TLS_AES_128_GCM_SHA256");
  free_pair(&pair);
}

/* The peer is nobody before it has proved that it has the key. */
static void claims_are_no_proof(void **state) {
  (void)state;
  struct pair pair = pair_with_keys("alice.key", "keys");
  assert_int_equal(tls_handshake(pair.client), TLS_WAITS);
  carry(pair.client, pair.server, SIZE_MAX);
  assert_int_equal(tls_handshake(pair.server), TLS_WAITS);
  assert_string_equal(tls_claimed_user(pair.server), "alice");
  assert_int_equal(tls_peer(pair.server).kind, TLS_PEER_UNKNOWN);
  free_pair(&pair);
}

/* Runs a refused handshake. The alert's record is copied to `alert`. */
static size_t refused(const char *client, const char *user, uint8_t alert[64]) {
  struct pair pair = pair_with_keys(client, "keys");
  assert_int_equal(tls_handshake(pair.client), TLS_WAITS);
  carry(pair.client, pair.server, SIZE_MAX);
  assert_int_equal(tls_handshake(pair.server), TLS_FAILED);
  assert_failed(pair.server, TLS_FAILURE_KEY);
  assert_string_equal(tls_claimed_user(pair.server), user);
  size_t len = tls_output(pair.server)->len;
  assert_in_range(len, 1, 64);
  memcpy(alert, buffer_first(tls_output(pair.server)), len);
  carry(pair.server, pair.client, SIZE_MAX);
  assert_int_equal(tls_handshake(pair.client), TLS_FAILED);
  assert_failed(pair.client, TLS_FAILURE_KEY);
  assert_true(tls_failure_is_permanent(tls_failure(pair.client)));
  free_pair(&pair);
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
  struct key key = key_of("alice.key");
  key.psk[7] ^= 1;
  struct pair pair = pair_of(client_of((struct tls_client_settings){.key = &key}),
                             server_of((struct tls_settings){.key_file = file("keys")}), NULL);
  shake(&pair);
  assert_failed(pair.server, TLS_FAILURE_KEY);
  assert_failed(pair.client, TLS_FAILURE_KEY);
  assert_int_equal(tls_peer(pair.server).kind, TLS_PEER_UNKNOWN);
  free_pair(&pair);
}

static void key_client_refuses_a_server_without_keys(void **state) {
  (void)state;
  struct key key = key_of("alice.key");
  struct pair pair = pair_of(client_of((struct tls_client_settings){.key = &key}),
                             server_of(with_certificate()), "localhost");
  shake(&pair);
  assert_failed(pair.client, TLS_FAILURE_NO_KEYS);
  free_pair(&pair);
}

static void server_with_keys_refuses_a_client_without(void **state) {
  (void)state;
  struct pair pair =
      pair_of(client_of(with_ca(NULL)), server_of((struct tls_settings){.key_file = file("keys")}),
              "localhost");
  shake(&pair);
  assert_failed(pair.client, TLS_FAILURE_REFUSED);
  assert_failed(pair.server, TLS_FAILURE_REFUSED);
  free_pair(&pair);
}

/* -------------------------------------------------------------------------------- certificates */

static struct pair pair_with_certificates(struct tls_client_settings client,
                                          struct tls_settings server, const char *host) {
  struct pair pair = pair_of(client_of(client), server_of(server), host);
  shake(&pair);
  return pair;
}

static void certificate_opens(void **state) {
  (void)state;
  static const char *const hosts[] = {"localhost", "127.0.0.1", "::1"};
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    struct pair pair = pair_with_certificates(with_ca(NULL), with_certificate(), hosts[i]);
    assert_talks(&pair);
    assert_int_equal(tls_peer(pair.server).kind, TLS_PEER_UNKNOWN);
    free_pair(&pair);
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
  struct pair pair = pair_with_certificates(with_ca("worker"), with_client_ca(), "localhost");
  assert_talks(&pair);
  struct tls_peer peer = tls_peer(pair.server);
  assert_int_equal(peer.kind, TLS_PEER_CERTIFICATE);
  assert_names(peer.names, wanted, 3);
  free_pair(&pair);
}

/* A common name that looks like another kind of name is still a common name. */
static void kinds_of_names_are_kept_apart(void **state) {
  (void)state;
  static const char *const wanted[] = {"cn:dns:worker.example"};
  struct pair pair = pair_with_certificates(with_ca("liar"), with_client_ca(), "localhost");
  assert_open(&pair);
  assert_names(tls_peer(pair.server).names, wanted, 1);
  free_pair(&pair);
}

static void keys_and_certificates_at_one_address(void **state) {
  (void)state;
  struct tls_settings settings = with_client_ca();
  settings.key_file = file("keys");
  struct key key = key_of("alice.key");
  struct pair pair =
      pair_with_certificates((struct tls_client_settings){.key = &key}, settings, "localhost");
  assert_talks(&pair);
  assert_int_equal(tls_peer(pair.server).kind, TLS_PEER_KEY);
  free_pair(&pair);
  pair = pair_with_certificates(with_ca("worker"), settings, "localhost");
  assert_talks(&pair);
  assert_int_equal(tls_peer(pair.server).kind, TLS_PEER_CERTIFICATE);
  free_pair(&pair);
}

static void missing_certificate_is_refused(void **state) {
  (void)state;
  struct pair pair = pair_with_certificates(with_ca(NULL), with_client_ca(), "localhost");
  assert_failed(pair.server, TLS_FAILURE_NO_CERTIFICATE);
  size_t count;
  uint8_t byte;
  assert_int_equal(tls_read(pair.client, &byte, 1, &count), TLS_FAILED); /* it comes afterwards */
  assert_failed(pair.client, TLS_FAILURE_NO_CERTIFICATE);
  free_pair(&pair);
}

static void refuses_certificate(const char *name, struct tls_settings settings) {
  struct pair pair = pair_with_certificates(with_ca(name), settings, "localhost");
  assert_failed(pair.server, TLS_FAILURE_NOT_TRUSTED);
  size_t count;
  uint8_t byte;
  assert_int_equal(tls_read(pair.client, &byte, 1, &count), TLS_FAILED);
  assert_failed(pair.client, TLS_FAILURE_CERTIFICATE_REFUSED);
  assert_int_equal(tls_peer(pair.server).kind, TLS_PEER_UNKNOWN);
  free_pair(&pair);
}

static void bad_certificates_of_clients_are_refused(void **state) {
  (void)state;
  refuses_certificate("foreign", with_client_ca());
  refuses_certificate("expired", with_client_ca());
  struct tls_settings settings = with_client_ca();
  settings.crl = file("revoked.crl");
  refuses_certificate("worker", settings);
  settings.crl = file("empty.crl");
  struct pair pair = pair_with_certificates(with_ca("worker"), settings, "localhost");
  assert_open(&pair);
  free_pair(&pair);
}

static void refuses_server(const char *certificate, const char *key, const char *host,
                           enum tls_failure failure, const char *text) {
  struct tls_settings settings = {.certificate = file(certificate), .private_key = file(key)};
  struct pair pair = pair_with_certificates(with_ca(NULL), settings, host);
  assert_failed(pair.client, failure);
  assert_non_null(strstr(tls_failure_text(pair.client), text));
  assert_failed(pair.server, TLS_FAILURE_CERTIFICATE_REFUSED);
  free_pair(&pair);
}

static void bad_certificates_of_servers_are_refused(void **state) {
  (void)state;
  refuses_server("foreign.crt", "foreign.key", "localhost", TLS_FAILURE_NOT_TRUSTED, "issuer");
  refuses_server("expired.crt", "expired.key", "localhost", TLS_FAILURE_NOT_TRUSTED, "expired");
  struct tls_settings settings = with_certificate();
  struct pair pair = pair_with_certificates(with_ca(NULL), settings, "other.example");
  assert_failed(pair.client, TLS_FAILURE_NAME);
  assert_string_equal(tls_failure_text(pair.client), "localhost");
  free_pair(&pair);
  pair = pair_with_certificates(with_ca(NULL), settings, "127.0.0.2");
  assert_failed(pair.client, TLS_FAILURE_NAME);
  free_pair(&pair);
}

/* nng's clients know nothing newer. */
static void tls_1_2_is_for_certificates(void **state) {
  (void)state;
  struct tls_context *client = client_of(with_ca("worker"));
  SSL_CTX_set_max_proto_version(client->ssl, TLS1_2_VERSION);
  struct pair pair = pair_of(tls_context_share(client), server_of(with_client_ca()), "localhost");
  shake(&pair);
  assert_talks(&pair);
  assert_string_equal(SSL_get_version(pair.server->ssl), "TLSv1.2");
  assert_int_equal(tls_peer(pair.server).kind, TLS_PEER_CERTIFICATE);
  free_pair(&pair);
  struct tls_settings settings = with_client_ca();
  settings.min_version = TLS_VERSION_1_3;
  pair = pair_of(client, server_of(settings), "localhost");
  shake(&pair);
  assert_failed(pair.server, TLS_FAILURE_REFUSED);
  assert_failed(pair.client, TLS_FAILURE_REFUSED);
  free_pair(&pair);
}

/* Nobody can make a server work for nothing by asking for a new handshake. */
static void renegotiation_is_refused(void **state) {
  (void)state;
  struct tls_context *client = client_of(with_ca(NULL));
  SSL_CTX_set_max_proto_version(client->ssl, TLS1_2_VERSION);
  SSL_CTX_clear_options(client->ssl, SSL_OP_NO_RENEGOTIATION);
  struct pair pair = pair_of(client, server_of(with_certificate()), "localhost");
  shake(&pair);
  assert_open(&pair);
  assert_int_equal(SSL_renegotiate(pair.client->ssl), 1);
  (void)SSL_do_handshake(pair.client->ssl);
  assert_true(carry(pair.client, pair.server, SIZE_MAX) > 0);
  size_t count;
  uint8_t byte;
  assert_int_equal(tls_read(pair.server, &byte, 1, &count), TLS_WAITS);
  carry(pair.server, pair.client, SIZE_MAX);
  assert_true(SSL_do_handshake(pair.client->ssl) != 1); /* a warning: none */
  free_pair(&pair);
}

static void other_protocols_are_refused(void **state) {
  (void)state;
  static const unsigned char http[] = "\x08http/1.1";
  struct tls_context *client = client_of(with_ca(NULL));
  SSL_CTX_set_alpn_protos(client->ssl, http, sizeof http - 1);
  struct pair pair = pair_of(client, server_of(with_certificate()), "localhost");
  shake(&pair);
  assert_failed(pair.server, TLS_FAILURE_REFUSED);
  assert_failed(pair.client, TLS_FAILURE_REFUSED);
  free_pair(&pair);
  client = client_of(with_ca(NULL));
  SSL_CTX_set_alpn_protos(client->ssl, NULL, 0); /* nng's clients name none */
  pair = pair_of(client, server_of(with_certificate()), "localhost");
  shake(&pair);
  assert_talks(&pair);
  free_pair(&pair);
}

/* ------------------------------------------------------------------------------------- bytes */

static void one_byte_at_a_time(void **state) {
  (void)state;
  struct pair pair =
      pair_of(client_of(with_ca("worker")), server_of(with_client_ca()), "localhost");
  shake_by(&pair, 1);
  assert_open(&pair);
  assert_carried(pair.client, pair.server, 100, 1);
  assert_carried(pair.server, pair.client, 20000, 1);
  free_pair(&pair);
}

static void keys_do_not_expire(void **state) {
  (void)state;
  struct tls_context *context = server_of((struct tls_settings){.key_file = file("keys")});
  assert_int_equal(tls_context_expiry(context), 0);
  tls_context_release(context);
}

/* A peer may ask for new keys at any time, also while replies are on their way to it. */
static void keys_are_updated(void **state) {
  (void)state;
  struct pair pair = pair_with_keys("alice.key", "keys");
  shake(&pair);
  for (int i = 0; i < 2000; i++) {
    assert_int_equal(SSL_key_update(pair.client->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    assert_true(tls_write(pair.server, "half", 4)); /* with the old keys */
    assert_carried(pair.client, pair.server, 10, SIZE_MAX);
    assert_true(tls_output(pair.server)->len > 0);
    uint8_t data[8];
    size_t count;
    carry(pair.server, pair.client, SIZE_MAX);
    assert_int_equal(tls_read(pair.client, data, sizeof data, &count), TLS_OK);
    assert_memory_equal(data, "half", 4);
    assert_carried(pair.server, pair.client, 10, SIZE_MAX);
  }
  free_pair(&pair);
}

/* Each takes the server longer than it takes the client. */
static void keys_updated_for_nothing_end_it(void **state) {
  (void)state;
  struct pair pair = pair_with_keys("alice.key", "keys");
  uint8_t data[8];
  size_t count;
  shake(&pair);
  for (int i = 0; i < 2 * TLS_UPDATES_MAX; i++) {
    assert_int_equal(SSL_key_update(pair.client->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    assert_int_equal(SSL_do_handshake(pair.client->ssl), 1);
  }
  assert_true(tls_write(pair.client, "x", 1));
  carry(pair.client, pair.server, SIZE_MAX);
  assert_int_equal(tls_read(pair.server, data, sizeof data, &count), TLS_FAILED);
  assert_string_equal(tls_failure_text(pair.server), "new keys again and again");
  free_pair(&pair);
}

static void goodbye_ends_after_what_came_before(void **state) {
  (void)state;
  struct pair pair = pair_with_keys("alice.key", "keys");
  shake(&pair);
  assert_true(tls_write(pair.client, "last", 4));
  tls_goodbye(pair.client);
  size_t len = tls_output(pair.client)->len, count;
  tls_goodbye(pair.client);
  assert_int_equal(tls_output(pair.client)->len, len); /* once */
  carry(pair.client, pair.server, SIZE_MAX);
  uint8_t data[16];
  assert_int_equal(tls_read(pair.server, data, sizeof data, &count), TLS_OK);
  assert_int_equal(count, 4);
  assert_int_equal(tls_read(pair.server, data, sizeof data, &count), TLS_ENDED);
  assert_int_equal(tls_read(pair.server, data, sizeof data, &count), TLS_ENDED);
  free_pair(&pair);
}

/* Half a record is no end: who cut the connection must not be taken for the peer. */
static void truncation_is_no_goodbye(void **state) {
  (void)state;
  struct pair pair = pair_with_keys("alice.key", "keys");
  shake(&pair);
  assert_true(tls_write(pair.client, "whole", 5));
  tls_goodbye(pair.client);
  carry(pair.client, pair.server, tls_output(pair.client)->len - 1);
  uint8_t data[16];
  size_t count;
  assert_int_equal(tls_read(pair.server, data, sizeof data, &count), TLS_OK);
  assert_int_equal(tls_read(pair.server, data, sizeof data, &count), TLS_WAITS);
  free_pair(&pair);
}

static void changed_bytes_are_found(void **state) {
  (void)state;
  struct pair pair = pair_with_keys("alice.key", "keys");
  shake(&pair);
  assert_true(tls_write(pair.client, "text", 4));
  buffer_end(tls_output(pair.client))[-1] ^= 1;
  carry(pair.client, pair.server, SIZE_MAX);
  uint8_t data[16];
  size_t count;
  assert_int_equal(tls_read(pair.server, data, sizeof data, &count), TLS_FAILED);
  assert_failed(pair.server, TLS_FAILURE_BROKEN);
  assert_false(tls_failure_is_permanent(TLS_FAILURE_BROKEN));
  free_pair(&pair);
}

/* Replies that were collected leave in as few records as possible. */
static void records_are_full(void **state) {
  (void)state;
  static uint8_t data[3 * (16 << 10)];
  struct pair pair = pair_with_keys("alice.key", "keys");
  shake(&pair);
  assert_true(tls_write(pair.server, data, sizeof data));
  struct buffer *sent = tls_output(pair.server);
  size_t records = 0;
  for (size_t at = 0; at < sent->len; records++) {
    const uint8_t *header = buffer_first(sent) + at;
    assert_int_equal(header[0], 23);
    at += 5 + ((size_t)header[3] << 8 | header[4]);
  }
  assert_int_equal(records, 3);
  free_pair(&pair);
}

static void plain_peers_are_recognised(void **state) {
  (void)state;
  static const char hello[] = "\0SP\0\0\x30\0"; /* and its final 0 */
  struct pair pair = pair_with_keys("alice.key", "keys");
  for (int i = 0; i < 2; i++) {
    struct tls *tls = i == 0 ? pair.server : pair.client;
    assert_true(buffer_reserve(tls_input(tls), sizeof hello));
    memcpy(buffer_end(tls_input(tls)), hello, sizeof hello);
    tls_input(tls)->len += sizeof hello;
    assert_int_equal(tls_handshake(tls), TLS_FAILED);
    assert_failed(tls, TLS_FAILURE_PLAIN);
  }
  free_pair(&pair);
}

static void budget_bounds_ciphertext(void **state) {
  (void)state;
  static uint8_t data[LARGE_BYTES];
  struct pair pair = pair_with_keys("alice.key", "keys");
  shake(&pair);
  budget.bytes_max = (size_t)64 << 10;
  assert_false(tls_write(pair.server, data, sizeof data));
  assert_int_equal(tls_failure(pair.server), TLS_FAILURE_MEMORY);
  budget.bytes_max = (size_t)64 << 20;
  free_pair(&pair);
}

/* Memory is not to blame for all of them. */
static void failed_writes_have_a_reason(void **state) {
  (void)state;
  struct pair pair = pair_with_keys("alice.key", "keys");
  shake(&pair);
  tls_goodbye(pair.client);
  assert_false(tls_write(pair.client, "late", 4));
  assert_int_equal(tls_failure(pair.client), TLS_FAILURE_BROKEN);
  assert_string_not_equal(tls_failure_text(pair.client), "");
  assert_false(tls_write(pair.client, "late", 4));
  assert_int_equal(tls_failure(pair.client), TLS_FAILURE_BROKEN);
  free_pair(&pair);
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
  struct tls_settings settings = with_certificate();
  settings.private_key = file("worker.key");
  refuses_settings(settings, "key values mismatch");
  settings = with_certificate();
  settings.certificate = file("missing.crt");
  refuses_settings(settings, "missing.crt: No such file or directory");
  settings = with_certificate();
  settings.private_key = file("missing.key");
  refuses_settings(settings, "private key");
  assert_int_equal(chmod(file("server.key"), 0640), 0);
  refuses_settings(with_certificate(), "server.key: mode 0640 lets others read it; chmod 600");
  setenv("CREDENTIALS_DIRECTORY", file(""), 1);
  settings = with_certificate();
  tls_context_release(server_of(settings));
  unsetenv("CREDENTIALS_DIRECTORY");
  assert_int_equal(chmod(file("server.key"), 0600), 0);
  settings.client_ca = file("keys");
  refuses_settings(settings, "client CA");
  settings = with_client_ca();
  settings.crl = file("keys");
  refuses_settings(settings, "CRL");
  refuses_settings((struct tls_settings){.key_file = file("ca.crt")}, "ca.crt");
  settings = with_certificate();
  settings.crl = file("revoked.crl");
  refuses_settings(settings, "the client CA is not set");
  settings = (struct tls_settings){.key_file = file("keys"), .client_ca = file("ca.crt")};
  refuses_settings(settings, "the server's certificate is not set");
  settings = (struct tls_settings){.key_file = file("keys"), .private_key = file("server.key")};
  refuses_settings(settings, "its certificate is not set");
}

static void expiry_is_known(void **state) {
  (void)state;
  struct tls_context *context = server_of(with_certificate());
  assert_in_range(tls_context_expiry(context), time(NULL) + 300L * 24 * 3600,
                  time(NULL) + 366L * 24 * 3600);
  tls_context_release(context);
  context = server_of((struct tls_settings){.certificate = file("expired.crt"),
                                            .private_key = file("expired.key")});
  assert_in_range(tls_context_expiry(context), 1, time(NULL));
  tls_context_release(context);
}

/* A context is replaced while connections use it. */
static void contexts_live_as_long_as_their_connections(void **state) {
  (void)state;
  struct pair pair = pair_with_keys("alice.key", "keys"); /* which has released both */
  shake(&pair);
  assert_talks(&pair);
  free_pair(&pair);
}

/* ------------------------------------------------------------------------------------- setup */

static void write_file(const char *name, const char *first, const char *second) {
  FILE *out = fopen(file(name), "we");
  assert_non_null(out);
  assert_true(fprintf(out, "%s\n%s\n", first, second) > 0);
  assert_int_equal(fclose(out), 0);
}

static int make_files(void **state) {
  (void)state;
  umask(0077);
  if (mkdtemp(directory) == NULL) {
    return -1;
  }
  char alice[KEY_LINE_BYTES], other[KEY_LINE_BYTES], mallory[KEY_LINE_BYTES], bob[KEY_LINE_BYTES];
  if (!key_make("alice", alice) || !key_make("alice", other) || !key_make("mallory", mallory) ||
      !key_make("bob", bob)) {
    return -1;
  }
  write_file("keys", alice, bob);
  write_file("alice.key", alice, "");
  write_file("other.key", other, "");
  write_file("mallory.key", mallory, "");
  const struct certificate all[] = {
      {.name = "ca"},
      {.name = "foreign-ca"},
      {.authority = "ca",
       .name = "server",
       .common_name = "localhost",
       .alternatives = "DNS:localhost,IP:127.0.0.1,IP:::1"},
      {.authority = "ca",
       .name = "worker",
       .alternatives = "DNS:worker.example,URI:spiffe://cluster/worker"},
      {.authority = "ca", .name = "liar", .common_name = "dns:worker.example"},
      {.authority = "ca", .name = "expired", .alternatives = "DNS:localhost", .is_expired = true},
      {.authority = "foreign-ca", .name = "foreign", .alternatives = "DNS:localhost"},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    certificate_make(directory, &all[i]);
  }
  certificate_revoke(directory, "ca", "worker", "revoked");
  certificate_revoke(directory, "ca", NULL, "empty");
  return 0;
}

static int remove_files(void **state) {
  (void)state;
  DIR *files = opendir(directory);
  struct dirent *entry;
  while (files != NULL && (entry = readdir(files)) != NULL) {
    (void)unlink(file(entry->d_name)); /* but for the directories */
  }
  if (files != NULL) {
    closedir(files);
  }
  return rmdir(directory);
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
      cmocka_unit_test(one_byte_at_a_time),
      cmocka_unit_test(keys_do_not_expire),
      cmocka_unit_test(keys_are_updated),
      cmocka_unit_test(keys_updated_for_nothing_end_it),
      cmocka_unit_test(goodbye_ends_after_what_came_before),
      cmocka_unit_test(truncation_is_no_goodbye),
      cmocka_unit_test(changed_bytes_are_found),
      cmocka_unit_test(records_are_full),
      cmocka_unit_test(plain_peers_are_recognised),
      cmocka_unit_test(budget_bounds_ciphertext),
      cmocka_unit_test(failed_writes_have_a_reason),
      cmocka_unit_test(bad_files_are_named),
      cmocka_unit_test(expiry_is_known),
      cmocka_unit_test(contexts_live_as_long_as_their_connections),
  };
  return cmocka_run_group_tests(tests, make_files, remove_files);
}
