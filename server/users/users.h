/* The users of a server, and which of them a peer is. A peer that is none of them is refused: there is no
 * user for the rest.
 *
 *   identity                        user
 *   uid of the server, or root      the section with that uid; else the owner
 *   another uid                     the section with that uid; with is_open as `none`
 *   key                             the section of the key's user with key = yes; without any section, the
 *                                   key's user, with all rights. A key that is not in `keys` is refused
 *   certificate                     the first section with one of its names
 *   none                            the section [user anonymous]; else, with is_open, the owner
 *
 * layer   users; made from the configuration
 * memory  immutable, reference counted: a reload makes a new one
 * threads any
 */
#ifndef HF_USERS_USERS_H
#define HF_USERS_USERS_H

#include "server/users/identity.h"

#define USERS_SENTENCE_BYTES 320
#define USERS_ANONYMOUS "anonymous"

struct users;

/* A [user NAME] section. */
struct user_section {
  struct user_settings settings;
  bool has_key;
  const uid_t *uids;
  size_t uids_count;
  const char *const *certificates; /* as in struct identity */
  size_t certificates_count;
};

/* A key of the key file. */
struct user_key {
  char user[USER_NAME_BYTES_MAX + 1];
  uint8_t id[4];
};

struct users_config {
  const struct user_section *sections;
  size_t sections_count;
  const struct user_key *keys;
  size_t keys_count;
  uid_t server;               /* the server's uid */
  bool is_open;               /* --insecure-no-auth */
  bool asks_for_certificates; /* of clients */
};

/* Everything is copied. NULL: out of memory. */
struct users *users_new(const struct users_config *config);
struct users *users_share(struct users *users);
void users_release(struct users *users);
/* For COMMAND_USERS; borrowed for the life of users. */
const struct users_settings *users_settings(const struct users *users);
/* Which user the peer is.
 * out  name      borrowed from users; empty: the owner
 *      sentence  on false: why it is refused, and what to do
 */
bool users_find(const struct users *users, const struct identity *identity, struct bytes *name,
                char sentence[USERS_SENTENCE_BYTES]);

/* Bytes of an identity that are in use: so many of it can be kept. */
size_t identity_bytes(const struct identity *identity);

#endif
