/* Who a peer is, for all that its transport knows: never by what it says in a message.
 *
 * layer   users; made by the transports, and mapped to a user by users.h
 */
#ifndef HF_USERS_IDENTITY_H
#define HF_USERS_IDENTITY_H

#include "server/engine/user_settings.h"

#include <sys/types.h>

#define IDENTITY_NAMES_BYTES_MAX 1024

enum identity_kind {
  IDENTITY_NONE,        /* of another host, without encryption */
  IDENTITY_UID,         /* a process of this machine */
  IDENTITY_KEY,         /* it has proved that it has that user's key */
  IDENTITY_CERTIFICATE, /* its certificate was verified */
};

struct identity {
  enum identity_kind kind;
  union {
    uid_t uid;
    struct {
      char user[USER_NAME_BYTES_MAX + 1];
      uint8_t id[4]; /* of the key: a user may have several */
    } key;
    /* The certificate's names, each ended by a 0 byte, and an empty one at last: "cn:NAME", "dns:NAME",
     * "uri:URI". The kind is always written, so that no free text of a subject is another kind's. */
    char names[IDENTITY_NAMES_BYTES_MAX];
  };
};

#endif
