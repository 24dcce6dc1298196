/* Files of keys: whatever is in them, each key that is read is one that can be written, and nothing
 * is read beyond the text.
 *
 * input   the bytes of a file
 */
#include "proto/tls/key.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
  if (!holds) {
    abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct keys keys;
  struct key key;
  char error[KEY_ERROR_BYTES] = "";
  bool is_read = keys_parse(&keys, bytes_of(data, size), "keys", error);
  require(is_read == (keys.count > 0) && is_read == (error[0] == '\0'));
  for (size_t i = 0; i < keys.count; i++) {
    const struct key *read = &keys.items[i], *found;
    require(key_is_user(bytes_of_text(read->user)));
    found = keys_find(&keys, bytes_of_text(read->identity));
    require(found != NULL && found <= read && strcmp(found->user, read->user) == 0);
  }
  keys_deinit(&keys);
  if (key_read(bytes_of(data, size), &key) == NULL) { /* a line by itself is a file too */
    require(is_read);
  }
  return 0;
}
