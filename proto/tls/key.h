/* Keys of users: what both sides of a TLS handshake without certificates know.
 *
 *   line      alice:hfk1_...                    base64url of the secret's 32 bytes and 4 of check
 *                                               sum, the first of its SHA-256
 *   identity  hf1:alice:3f9a01c2                on the wire: the user, and the key's id
 *   id        HKDF-SHA256(secret, "holdfast key id 1")
 *   psk       HKDF-SHA256(secret, "holdfast tls psk 1")
 *
 * layer   proto; used by server and client
 * shapes  a user's name has 1 to KEY_USER_BYTES_MAX of a-z A-Z 0-9 . _ @ -
 *         a file has a line for each key, empty lines, and comments that begin with #; a user may
 *         have several keys
 * source  RFC 5869 for HKDF, without a salt; the prefix is for programs that search for secrets.
 *         Keys are made, never chosen: who records a handshake could try passwords (RFC 9257).
 * threads any
 */
#ifndef HF_PROTO_TLS_KEY_H
#define HF_PROTO_TLS_KEY_H

#include "proto/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_USER_BYTES_MAX 64
#define KEY_SECRET_BYTES 32
#define KEY_PSK_BYTES 32
#define KEY_ID_BYTES 4
#define KEY_LINE_BYTES (KEY_USER_BYTES_MAX + 1 + 5 + 48 + 1) /* with the final 0 */
#define KEY_IDENTITY_BYTES (4 + KEY_USER_BYTES_MAX + 1 + 2 * KEY_ID_BYTES + 1) /* as well */
#define KEY_ERROR_BYTES 512

struct key {
  char user[KEY_USER_BYTES_MAX + 1];
  uint8_t id[KEY_ID_BYTES];
  char identity[KEY_IDENTITY_BYTES];
  uint8_t psk[KEY_PSK_BYTES];
};

/* The keys of a file, in its order. */
struct keys {
  struct key *items;
  size_t count, capacity;
};

bool key_is_user(struct bytes name);
/* Writes the line of the user's key, without an end of line. */
void key_write(const char *user, const uint8_t secret[KEY_SECRET_BYTES], char line[KEY_LINE_BYTES]);
/* Reads a line, without its end. NULL, or why it is not a key: static, in the words of an error. */
const char *key_read(struct bytes line, struct key *key);
/* Writes a new line, with a secret of the kernel's. false: errno */
bool key_make(const char *user, char line[KEY_LINE_BYTES]);

/* Whether nobody else may read or change a file with a secret, unless it is in a folder of a container's or
 * service's secrets; true of one that can't be looked at. false: `error` is a sentence */
bool key_file_is_private(const char *path, char error[KEY_ERROR_BYTES]);
/* Reads a file's keys, at least one; the file has to be private. false: `error` is a sentence, and
 * *keys is empty. */
bool keys_read(struct keys *keys, const char *path, char error[KEY_ERROR_BYTES]);
/* The same of a text; path: for the sentence. */
bool keys_parse(struct keys *keys, struct bytes text, const char *path,
                char error[KEY_ERROR_BYTES]);
/* Wipes and frees them. */
void keys_deinit(struct keys *keys);
/* The key of that identity; NULL: none. */
const struct key *keys_find(const struct keys *keys, struct bytes identity);

#endif
