#include "proto/tls/key.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define SCHEME "hf1:"
#define MARK "hfk1_"
#define CHECK_BYTES 4
#define SECRET_TEXT_BYTES 48 /* of the secret with its check sum; base64 without padding */

_Static_assert((KEY_SECRET_BYTES + CHECK_BYTES) * 4 / 3 == SECRET_TEXT_BYTES, "whole groups");
_Static_assert(KEY_PSK_BYTES <= crypto_auth_hmacsha256_BYTES, "one block of HKDF");

bool key_is_user(struct bytes name) {
  for (size_t i = 0; i < name.len; i++) {
    uint8_t c = name.data[i];
    bool is_alphanumeric =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!is_alphanumeric && c != '.' && c != '_' && c != '@' && c != '-') {
      return false;
    }
  }
  return name.len > 0 && name.len <= KEY_USER_BYTES_MAX;
}

/* The first block of HKDF's output, or less. */
static void derive(const uint8_t secret[KEY_SECRET_BYTES], const char *label, uint8_t *out,
                   size_t size) {
  static const uint8_t salt[crypto_auth_hmacsha256_KEYBYTES];
  uint8_t block[crypto_auth_hmacsha256_BYTES], extracted[sizeof block];
  const uint8_t count = 1;
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256(extracted, secret, KEY_SECRET_BYTES, salt);
  crypto_auth_hmacsha256_init(&state, extracted, sizeof extracted);
  crypto_auth_hmacsha256_update(&state, (const uint8_t *)label, strlen(label));
  crypto_auth_hmacsha256_update(&state, &count, sizeof count);
  crypto_auth_hmacsha256_final(&state, block);
  memcpy(out, block, size);
  sodium_memzero(block, sizeof block);
  sodium_memzero(extracted, sizeof extracted);
  sodium_memzero(&state, sizeof state);
}

static void check_sum(const uint8_t secret[KEY_SECRET_BYTES], uint8_t sum[CHECK_BYTES]) {
  uint8_t hash[crypto_hash_sha256_BYTES];
  crypto_hash_sha256(hash, secret, KEY_SECRET_BYTES);
  memcpy(sum, hash, CHECK_BYTES);
  sodium_memzero(hash, sizeof hash);
}

void key_write(const char *user, const uint8_t secret[KEY_SECRET_BYTES],
               char line[KEY_LINE_BYTES]) {
  uint8_t whole[KEY_SECRET_BYTES + CHECK_BYTES];
  char text[SECRET_TEXT_BYTES + 1];
  memcpy(whole, secret, KEY_SECRET_BYTES);
  check_sum(secret, whole + KEY_SECRET_BYTES);
  sodium_bin2base64(text, sizeof text, whole, sizeof whole,
                    sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  snprintf(line, KEY_LINE_BYTES, "%s:" MARK "%s", user, text);
  sodium_memzero(whole, sizeof whole);
  sodium_memzero(text, sizeof text);
}

/* Reads the text after the mark. false: it is no secret, or not all of it. */
static bool read_secret(struct bytes text, uint8_t secret[KEY_SECRET_BYTES]) {
  uint8_t whole[KEY_SECRET_BYTES + CHECK_BYTES], sum[CHECK_BYTES];
  size_t len;
  bool is_read = text.len == SECRET_TEXT_BYTES &&
                 sodium_base642bin(whole, sizeof whole, (const char *)text.data, text.len, NULL,
                                   &len, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
                 len == sizeof whole;
  if (is_read) {
    check_sum(whole, sum);
    is_read = memcmp(sum, whole + KEY_SECRET_BYTES, sizeof sum) == 0;
  }
  if (is_read) {
    memcpy(secret, whole, KEY_SECRET_BYTES);
  }
  sodium_memzero(whole, sizeof whole);
  return is_read;
}

const char *key_read(struct bytes line, struct key *key) {
  const size_t mark_len = strlen(MARK);
  uint8_t secret[KEY_SECRET_BYTES];
  const uint8_t *colon = line.len > 0 ? memchr(line.data, ':', line.len) : NULL;
  if (colon == NULL) {
    return "there is no USER: before it";
  }
  struct bytes user = bytes_of(line.data, (size_t)(colon - line.data));
  struct bytes rest = bytes_of(colon + 1, line.len - user.len - 1);
  if (!key_is_user(user)) {
    return "a user's name has 1 to 64 of a-z A-Z 0-9 . _ @ -";
  }
  if (rest.len < mark_len || memcmp(rest.data, MARK, mark_len) != 0) {
    return "it does not begin with " MARK;
  }
  if (!read_secret(bytes_of(rest.data + mark_len, rest.len - mark_len), secret)) {
    return "its check sum is wrong: was it cut?";
  }
  memcpy(key->user, user.data, user.len);
  key->user[user.len] = '\0';
  derive(secret, "holdfast key id 1", key->id, sizeof key->id);
  snprintf(key->identity, sizeof key->identity, SCHEME "%s:%02x%02x%02x%02x", key->user, key->id[0],
           key->id[1], key->id[2], key->id[3]);
  derive(secret, "holdfast tls psk 1", key->psk, sizeof key->psk);
  sodium_memzero(secret, sizeof secret);
  return NULL;
}

bool key_make(const char *user, char line[KEY_LINE_BYTES]) {
  uint8_t secret[KEY_SECRET_BYTES];
  ssize_t got;
  do {
    got = getrandom(secret, sizeof secret, 0);
  } while (got < 0 && errno == EINTR);
  if (got != (ssize_t)sizeof secret) {
    return false;
  }
  key_write(user, secret, line);
  sodium_memzero(secret, sizeof secret);
  return true;
}
