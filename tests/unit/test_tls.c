/* TLS over memory: the bytes of a connection: records, keys that change, ends, budgets. */
#include "tests/support/tls_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "proto/tls/tls_parts.h" /* for what only a hostile peer does */

#define LARGE_BYTES ((size_t)300 << 10)

/* ------------------------------------------------------------------------------------- bytes */

static void one_byte_at_a_time(void **state) {
  (void)state;
  struct tls_pair pair = tls_pair_of(tls_client_of(tls_with_ca("worker")),
                                     tls_server_of(tls_with_client_ca()), "localhost");
  tls_pair_shake_by(&pair, 1);
  tls_pair_assert_open(&pair);
  tls_assert_carried(pair.client, pair.server, 100, 1);
  tls_assert_carried(pair.server, pair.client, 20000, 1);
  tls_pair_free(&pair);
}

static void keys_do_not_expire(void **state) {
  (void)state;
  struct tls_context *context = tls_server_of((struct tls_settings){.key_file = tls_file("keys")});
  assert_int_equal(tls_context_expiry(context), 0);
  tls_context_release(context);
}

/* A peer may ask for new keys at any time, also while replies are on their way to it. */
static void keys_are_updated(void **state) {
  (void)state;
  struct tls_pair pair = tls_pair_with_keys("alice.key", "keys");
  tls_pair_shake(&pair);
  for (int i = 0; i < 2000; i++) {
    assert_int_equal(SSL_key_update(pair.client->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    assert_true(tls_write(pair.server, "half", 4)); /* with the old keys */
    tls_assert_carried(pair.client, pair.server, 10, SIZE_MAX);
    assert_true(tls_output(pair.server)->len > 0);
    uint8_t data[8];
    size_t count;
    tls_pair_carry(pair.server, pair.client, SIZE_MAX);
    assert_int_equal(tls_read(pair.client, data, sizeof data, &count), TLS_OK);
    assert_memory_equal(data, "half", 4);
    tls_assert_carried(pair.server, pair.client, 10, SIZE_MAX);
  }
  tls_pair_free(&pair);
}

/* Each takes the server longer than it takes the client. */
static void keys_updated_for_nothing_end_it(void **state) {
  (void)state;
  struct tls_pair pair = tls_pair_with_keys("alice.key", "keys");
  uint8_t data[8];
  size_t count;
  tls_pair_shake(&pair);
  for (int i = 0; i < 2 * TLS_UPDATES_MAX; i++) {
    assert_int_equal(SSL_key_update(pair.client->ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    assert_int_equal(SSL_do_handshake(pair.client->ssl), 1);
  }
  assert_true(tls_write(pair.client, "x", 1));
  tls_pair_carry(pair.client, pair.server, SIZE_MAX);
  assert_int_equal(tls_read(pair.server, data, sizeof data, &count), TLS_FAILED);
  assert_string_equal(tls_failure_text(pair.server), "new keys again and again");
  tls_pair_free(&pair);
}

static void goodbye_ends_after_what_came_before(void **state) {
  (void)state;
  struct tls_pair pair = tls_pair_with_keys("alice.key", "keys");
  tls_pair_shake(&pair);
  assert_true(tls_write(pair.client, "last", 4));
  tls_goodbye(pair.client);
  size_t len = tls_output(pair.client)->len, count;
  tls_goodbye(pair.client);
  assert_int_equal(tls_output(pair.client)->len, len); /* once */
  tls_pair_carry(pair.client, pair.server, SIZE_MAX);
  uint8_t data[16];
  assert_int_equal(tls_read(pair.server, data, sizeof data, &count), TLS_OK);
  assert_int_equal(count, 4);
  assert_int_equal(tls_read(pair.server, data, sizeof data, &count), TLS_ENDED);
  assert_int_equal(tls_read(pair.server, data, sizeof data, &count), TLS_ENDED);
  tls_pair_free(&pair);
}

/* Half a record is no end: who cut the connection must not be taken for the peer. */
static void truncation_is_no_goodbye(void **state) {
  (void)state;
  struct tls_pair pair = tls_pair_with_keys("alice.key", "keys");
  tls_pair_shake(&pair);
  assert_true(tls_write(pair.client, "whole", 5));
  tls_goodbye(pair.client);
  tls_pair_carry(pair.client, pair.server, tls_output(pair.client)->len - 1);
  uint8_t data[16];
  size_t count;
  assert_int_equal(tls_read(pair.server, data, sizeof data, &count), TLS_OK);
  assert_int_equal(tls_read(pair.server, data, sizeof data, &count), TLS_WAITS);
  tls_pair_free(&pair);
}

static void changed_bytes_are_found(void **state) {
  (void)state;
  struct tls_pair pair = tls_pair_with_keys("alice.key", "keys");
  tls_pair_shake(&pair);
  assert_true(tls_write(pair.client, "text", 4));
  buffer_end(tls_output(pair.client))[-1] ^= 1;
  tls_pair_carry(pair.client, pair.server, SIZE_MAX);
  uint8_t data[16];
  size_t count;
  assert_int_equal(tls_read(pair.server, data, sizeof data, &count), TLS_FAILED);
  tls_assert_failed(pair.server, TLS_FAILURE_BROKEN);
  assert_false(tls_failure_is_permanent(TLS_FAILURE_BROKEN));
  tls_pair_free(&pair);
}

/* Replies that were collected leave in as few records as possible. */
static void records_are_full(void **state) {
  (void)state;
  static uint8_t data[3 * (16 << 10)];
  struct tls_pair pair = tls_pair_with_keys("alice.key", "keys");
  tls_pair_shake(&pair);
  assert_true(tls_write(pair.server, data, sizeof data));
  struct buffer *sent = tls_output(pair.server);
  size_t records = 0;
  for (size_t at = 0; at < sent->len; records++) {
    const uint8_t *header = buffer_first(sent) + at;
    assert_int_equal(header[0], 23);
    at += 5 + ((size_t)header[3] << 8 | header[4]);
  }
  assert_int_equal(records, 3);
  tls_pair_free(&pair);
}

static void plain_peers_are_recognised(void **state) {
  (void)state;
  static const char hello[] = "\0SP\0\0\x30\0"; /* and its final 0 */
  struct tls_pair pair = tls_pair_with_keys("alice.key", "keys");
  for (int i = 0; i < 2; i++) {
    struct tls *tls = i == 0 ? pair.server : pair.client;
    assert_true(buffer_reserve(tls_input(tls), sizeof hello));
    memcpy(buffer_end(tls_input(tls)), hello, sizeof hello);
    tls_input(tls)->len += sizeof hello;
    assert_int_equal(tls_handshake(tls), TLS_FAILED);
    tls_assert_failed(tls, TLS_FAILURE_PLAIN);
    assert_int_equal(tls_output(tls)->len, i == 0 ? 7 : 0); /* the server answers by an alert */
  }
  tls_pair_free(&pair);
}

static void budget_bounds_ciphertext(void **state) {
  (void)state;
  static uint8_t data[LARGE_BYTES];
  struct tls_pair pair = tls_pair_with_keys("alice.key", "keys");
  tls_pair_shake(&pair);
  tls_pair_budget.bytes_max = (size_t)64 << 10;
  assert_false(tls_write(pair.server, data, sizeof data));
  assert_int_equal(tls_failure(pair.server), TLS_FAILURE_MEMORY);
  tls_pair_budget.bytes_max = (size_t)64 << 20;
  tls_pair_free(&pair);
}

/* Memory is not to blame for all of them. */
static void failed_writes_have_a_reason(void **state) {
  (void)state;
  struct tls_pair pair = tls_pair_with_keys("alice.key", "keys");
  tls_pair_shake(&pair);
  tls_goodbye(pair.client);
  assert_false(tls_write(pair.client, "late", 4));
  assert_int_equal(tls_failure(pair.client), TLS_FAILURE_BROKEN);
  assert_string_not_equal(tls_failure_text(pair.client), "");
  assert_false(tls_write(pair.client, "late", 4));
  assert_int_equal(tls_failure(pair.client), TLS_FAILURE_BROKEN);
  tls_pair_free(&pair);
}

/* A context is replaced while connections use it. */
static void contexts_live_as_long_as_their_connections(void **state) {
  (void)state;
  struct tls_pair pair = tls_pair_with_keys("alice.key", "keys"); /* which has released both */
  tls_pair_shake(&pair);
  tls_pair_assert_talks(&pair);
  tls_pair_free(&pair);
}

int main(void) {
  const struct CMUnitTest tests[] = {
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
      cmocka_unit_test(contexts_live_as_long_as_their_connections),
  };
  return cmocka_run_group_tests(tests, tls_files_make, tls_files_remove);
}
