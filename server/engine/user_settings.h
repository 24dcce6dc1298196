/* What the users of a server may do and use: the content of COMMAND_USERS.
 *
 * layer   engine; made by server/users from the configuration
 * shapes  A user has a name of 1 to USER_NAME_BYTES_MAX bytes. The owner, whose name is empty, is in no
 *         settings: it may do and use everything.
 *         Of the prefixes of an object's name the longest decides alone; the empty one fits all names.
 * memory  all is borrowed for the command
 */
#ifndef HF_ENGINE_USER_SETTINGS_H
#define HF_ENGINE_USER_SETTINGS_H

#include "proto/base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USER_NAME_BYTES_MAX 64

/* What a user may do to an object, and what an operation needs. */
enum operation_access {
  ACCESS_NOTHING = 0,
  ACCESS_READ = 1,
  ACCESS_WRITE = 2,
  ACCESS_EITHER = 4, /* one of the two */
  ACCESS_CREATE = 8, /* and delete */
};

/* Rights on the objects whose names begin so. */
struct user_right {
  struct bytes prefix;
  uint8_t access; /* of enum operation_access: ACCESS_READ, ACCESS_WRITE, ACCESS_CREATE, or'ed */
};

/* 0: no limit but the server's own. */
struct user_limits {
  uint64_t memory_bytes;
  uint64_t objects;
  uint64_t sessions;
  uint64_t connections;
  uint64_t waiting; /* requests that wait */
  uint64_t requests_per_s;
};

struct user_settings {
  struct bytes name;
  bool is_admin;
  const struct user_right *rights;
  size_t rights_count;
  struct user_limits limits;
};

struct users_settings {
  const struct user_settings *users;
  size_t count;
};

#endif
