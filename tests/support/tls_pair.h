/* Both sides of a TLS connection in one thread, over memory, and the keys and certificates for them, which are made
 * when the test runs.
 *
 *   client --carry--> server --carry--> client ... until neither has anything to say
 */
#ifndef HF_TESTS_SUPPORT_TLS_PAIR_H
#define HF_TESTS_SUPPORT_TLS_PAIR_H

#include "proto/tls/tls.h"

/* Of a group of tests: a directory with keys of alice, other (another of alice), mallory, and for the server those of
 * alice and bob, `keys`; certificates of ca: server, worker, liar, expired, and of foreign-ca: foreign; lists of
 * revoked ones: revoked, which has worker's, and empty. */
int tls_files_make(void **state);
int tls_files_remove(void **state);
/* A file of the directory; one of a few texts that are used in turn. */
const char *tls_file(const char *name);
/* The first key of a file. */
struct key tls_key_of(const char *name);

/* Settings: of a server with a certificate; that asks for those of clients, too; of a client that knows ca, with a
 * certificate of that name, or NULL. */
struct tls_settings tls_with_certificate(void);
struct tls_settings tls_with_client_ca(void);
struct tls_client_settings tls_with_ca(const char *name);
/* Contexts, which there have to be. */
struct tls_context *tls_server_of(struct tls_settings settings);
struct tls_context *tls_client_of(struct tls_client_settings settings);

struct tls_pair {
  struct tls *client, *server;
  enum tls_result client_result, server_result;
};

/* All memory of connections is of it; used up when none is left. */
extern struct buffer_budget tls_pair_budget;

/* Takes the contexts. */
struct tls_pair tls_pair_of(struct tls_context *client, struct tls_context *server,
                            const char *host);
/* Not connected yet: a client with a key, and a server with a file of keys. */
struct tls_pair tls_pair_with_keys(const char *client, const char *server);
void tls_pair_free(struct tls_pair *pair);
/* What one side has sent arrives, as many bytes at most. */
size_t tls_pair_carry(struct tls *from, struct tls *to, size_t bytes_max);
/* Until neither has anything to say. */
void tls_pair_shake(struct tls_pair *pair);
void tls_pair_shake_by(struct tls_pair *pair, size_t bytes_max);
void tls_pair_assert_open(const struct tls_pair *pair);
void tls_assert_failed(const struct tls *tls, enum tls_failure failure);
/* What was written on one side is read on the other. */
void tls_assert_carried(struct tls *from, struct tls *to, size_t len, size_t bytes_max);
/* The connection is open, and carries both ways. */
void tls_pair_assert_talks(struct tls_pair *pair);

#endif
