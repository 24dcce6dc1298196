/* Keys of users are made here; connections only read them. */
#include "proto/tls/key.h"

#include "client/src/connection/errors.h"

_Static_assert(HF_KEY_LINE_BYTES == KEY_LINE_BYTES, "as the public header says");

hf_status hf_key_new(const char *user, char line[HF_KEY_LINE_BYTES]) {
  if (user == NULL || !key_is_user(bytes_of_text(user))) {
    return error_format(HF_REASON_BAD_NAME, "a user's name has 1 to %d of a-z A-Z 0-9 . _ @ -",
                        KEY_USER_BYTES_MAX);
  }
  return key_make(user, line) ? HF_OK : error_reason(HF_REASON_NO_MEMORY);
}
