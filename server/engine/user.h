/* The users of an engine: the rights, limits and use of each.
 *
 *   COMMAND_USERS --users_set--> struct user: settings, and counts of what it uses
 *   connection -> user <- session, object, cell in shared memory
 *
 * layer   engine
 * shapes  NULL is the owner: every right, no limit. So an engine without users compares one pointer.
 * memory  A user lives while settings or anything else refer to it. One that is in no settings any more
 *         is gone: it has no right, and is the same again when settings bring its name back.
 *
 * U1  memory_bytes, objects, sessions, connections and waiting are what refers to the user now.
 */
#ifndef HF_ENGINE_USER_H
#define HF_ENGINE_USER_H

#include "proto/limits.h"
#include "server/engine/user_settings.h"

/* All rights that an object's name can give. */
#define ACCESS_ALL (ACCESS_READ | ACCESS_WRITE | ACCESS_CREATE)

struct user {
  size_t references; /* sessions, connections, objects, cells */
  bool is_gone;
  struct user_settings settings; /* one malloc of it all; the longest prefix first */
  /* What it uses. */
  uint64_t memory_bytes; /* of its objects, as charged */
  uint64_t objects, sessions, connections;
  uint64_t waiting; /* requests */
  uint64_t rate_ns; /* when all requests that came would have come at the limit's pace */
  size_t name_len;
  char name[];
};

struct user_table {
  struct user **users; /* malloc, in order of names; the gone ones too */
  size_t count;
};

void users_deinit(struct user_table *table);
/* Copies the settings: users that are in none of them are gone from now on. *lessens: somebody may have
 * fewer rights than before. false: out of memory, unchanged. */
bool users_set(struct user_table *table, const struct users_settings *settings, bool *lessens);
/* One user's. false: out of memory, unchanged. */
bool user_set(struct user *user, const struct user_settings *settings);
/* NULL: there is none of that name. */
struct user *users_find_name(const struct user_table *table, struct bytes name);
/* The user of that name, made as one that is gone if there is none. NULL: out of memory. */
struct user *users_make(struct user_table *table, struct bytes name);

/* Answers its argument, which may be NULL. */
struct user *user_share(struct user *user);
/* NULL is harmless. */
void user_release(struct user *user);
/* The same as a session begins and ends. */
struct user *user_enter_session(struct user *user);
void user_leave_session(struct user *user);
struct bytes user_name(const struct user *user);
/* What the user may do with objects of that name: bits of enum operation_access. */
unsigned user_rights(const struct user *user, struct bytes name);
/* From a name that the user may neither read nor write: where the next may begin that it may, borrowed
 * from `room` or the user. Each such step passes a prefix of the user's rights, so there are at most two
 * for each. false: none. */
bool user_next_seen(const struct user *user, struct bytes name, uint8_t room[HF_NAME_BYTES_MAX],
                    struct bytes *next);
/* A change of what its objects take. NULL is harmless. */
void user_recharge(struct user *user, size_t former_bytes, size_t bytes);
/* Whether a request at the present time is not too far beyond the user's rate. */
bool user_may_request(const struct user *user, uint64_t now_ns);
/* Then it is taken into account. Answers how long the user has to send nothing, to be within its rate again. */
uint64_t user_count_request(struct user *user, uint64_t now_ns);

#endif
