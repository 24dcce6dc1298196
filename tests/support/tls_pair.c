#include "tests/support/tls_pair.h"

#include "tests/support/certificates.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH_BYTES 256
#define LARGE_BYTES ((size_t)300 << 10)

static char directory[] = "/tmp/holdfast-tls-XXXXXX";
struct buffer_budget tls_pair_budget = {.bytes_max = (size_t)64 << 20};

/* A file of the directory; one of a few texts that are used in turn. */
const char *tls_file(const char *name) {
  static char paths[32][PATH_BYTES];
  static unsigned next;
  char *path = paths[next++ % 32];
  snprintf(path, PATH_BYTES, "%s/%.200s", directory, name);
  return path;
}

struct tls_context *tls_server_of(struct tls_settings settings) {
  char error[TLS_ERROR_BYTES];
  struct tls_context *context = tls_context_new_server(&settings, error);
  if (context == NULL) {
    fail_msg("%s", error);
  }
  return context;
}

struct tls_context *tls_client_of(struct tls_client_settings settings) {
  char error[TLS_ERROR_BYTES];
  struct tls_context *context = tls_context_new_client(&settings, error);
  if (context == NULL) {
    fail_msg("%s", error);
  }
  return context;
}

struct key tls_key_of(const char *name) {
  struct keys keys;
  char error[KEY_ERROR_BYTES];
  assert_true(keys_read(&keys, tls_file(name), error));
  struct key key = keys.items[0];
  keys_deinit(&keys);
  return key;
}

struct tls_settings tls_with_certificate(void) {
  return (struct tls_settings){.certificate = tls_file("server.crt"),
                               .private_key = tls_file("server.key")};
}

struct tls_settings tls_with_client_ca(void) {
  struct tls_settings settings = tls_with_certificate();
  settings.client_ca = tls_file("ca.crt");
  return settings;
}

struct tls_client_settings tls_with_ca(const char *name) {
  struct tls_client_settings settings = {.ca = tls_file("ca.crt")};
  char path[PATH_BYTES];
  if (name != NULL) {
    snprintf(path, sizeof path, "%s.crt", name);
    settings.certificate = tls_file(path);
    snprintf(path, sizeof path, "%s.key", name);
    settings.private_key = tls_file(path);
  }
  return settings;
}

/* Takes the contexts. */
struct tls_pair tls_pair_of(struct tls_context *client, struct tls_context *server,
                            const char *host) {
  struct tls_pair pair = {tls_new(client, &tls_pair_budget, host),
                          tls_new(server, &tls_pair_budget, NULL), TLS_WAITS, TLS_WAITS};
  assert_non_null(pair.client);
  assert_non_null(pair.server);
  tls_context_release(client);
  tls_context_release(server);
  return pair;
}

void tls_pair_free(struct tls_pair *pair) {
  tls_free(pair->client);
  tls_free(pair->server);
  assert_int_equal(tls_pair_budget.used_bytes, 0);
}

/* What one side has sent arrives, as many bytes at most. */
size_t tls_pair_carry(struct tls *from, struct tls *to, size_t bytes_max) {
  struct buffer *sent = tls_output(from), *received = tls_input(to);
  size_t count = sent->len < bytes_max ? sent->len : bytes_max;
  assert_true(buffer_reserve(received, count));
  if (count > 0) {
    memcpy(buffer_end(received), buffer_first(sent), count);
    received->len += count;
    buffer_consume(sent, count);
  }
  return count;
}

/* Until neither has anything to say. */
void tls_pair_shake_by(struct tls_pair *pair, size_t bytes_max) {
  size_t carried;
  do {
    pair->client_result = tls_handshake(pair->client);
    carried = tls_pair_carry(pair->client, pair->server, bytes_max);
    pair->server_result = tls_handshake(pair->server);
    carried += tls_pair_carry(pair->server, pair->client, bytes_max);
  } while (carried > 0);
}

void tls_pair_shake(struct tls_pair *pair) {
  tls_pair_shake_by(pair, SIZE_MAX);
}

void tls_pair_assert_open(const struct tls_pair *pair) {
  if (pair->client_result != TLS_OK || pair->server_result != TLS_OK) {
    fail_msg("client: %d %s; server: %d %s", pair->client_result, tls_failure_text(pair->client),
             pair->server_result, tls_failure_text(pair->server));
  }
}

void tls_assert_failed(const struct tls *tls, enum tls_failure failure) {
  if (tls_failure(tls) != failure) {
    fail_msg("failure %d %s, not %d", tls_failure(tls), tls_failure_text(tls), failure);
  }
}

/* What was written on one side is read on the other. */
void tls_assert_carried(struct tls *from, struct tls *to, size_t len, size_t bytes_max) {
  uint8_t *sent = malloc(len), *got = malloc(len + 1);
  for (size_t i = 0; i < len; i++) {
    sent[i] = (uint8_t)(i * 31 + i / 251);
  }
  assert_true(tls_write(from, sent, len));
  size_t total = 0;
  while (tls_pair_carry(from, to, bytes_max) > 0) {
    size_t count;
    while (tls_read(to, got + total, len + 1 - total, &count) == TLS_OK) {
      total += count;
    }
    assert_int_equal(tls_pending(to), 0);
  }
  assert_int_equal(total, len);
  assert_memory_equal(got, sent, len);
  free(sent);
  free(got);
}

void tls_pair_assert_talks(struct tls_pair *pair) {
  tls_pair_assert_open(pair);
  tls_assert_carried(pair->client, pair->server, 5, SIZE_MAX);
  tls_assert_carried(pair->server, pair->client, LARGE_BYTES, SIZE_MAX);
  tls_assert_carried(pair->client, pair->server, LARGE_BYTES, 1000);
}

struct tls_pair tls_pair_with_keys(const char *client, const char *server) {
  struct key key = tls_key_of(client);
  return tls_pair_of(tls_client_of((struct tls_client_settings){.key = &key}),
                     tls_server_of((struct tls_settings){.key_file = tls_file(server)}),
                     "ignored.example");
}

static void write_file(const char *name, const char *first, const char *second) {
  FILE *out = fopen(tls_file(name), "we");
  assert_non_null(out);
  assert_true(fprintf(out, "%s\n%s\n", first, second) > 0);
  assert_int_equal(fclose(out), 0);
}

int tls_files_make(void **state) {
  (void)state;
  umask(0077);
  if (mkdtemp(directory) == NULL) {
    return -1;
  }
  char alice[KEY_LINE_BYTES], other[KEY_LINE_BYTES], mallory[KEY_LINE_BYTES], bob[KEY_LINE_BYTES];
  if (!key_make("alice", alice) || !key_make("alice", other) || !key_make("mallory", mallory) ||
      !key_make("bob", bob)) {
    return -1;
  }
  write_file("keys", alice, bob);
  write_file("alice.key", alice, "");
  write_file("other.key", other, "");
  write_file("mallory.key", mallory, "");
  const struct certificate all[] = {
      {.name = "ca"},
      {.name = "foreign-ca"},
      {.authority = "ca",
       .name = "server",
       .common_name = "localhost",
       .alternatives = "DNS:localhost,IP:127.0.0.1,IP:::1"},
      {.authority = "ca",
       .name = "worker",
       .alternatives = "DNS:worker.example,URI:spiffe://cluster/worker"},
      {.authority = "ca", .name = "liar", .common_name = "dns:worker.example"},
      {.authority = "ca", .name = "expired", .alternatives = "DNS:localhost", .is_expired = true},
      {.authority = "foreign-ca", .name = "foreign", .alternatives = "DNS:localhost"},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    certificate_make(directory, &all[i]);
  }
  certificate_revoke(directory, "ca", "worker", "revoked");
  certificate_revoke(directory, "ca", NULL, "empty");
  return 0;
}

int tls_files_remove(void **state) {
  (void)state;
  DIR *files = opendir(directory);
  struct dirent *entry;
  while (files != NULL && (entry = readdir(files)) != NULL) {
    (void)unlink(tls_file(entry->d_name)); /* but for the directories */
  }
  if (files != NULL) {
    closedir(files);
  }
  return rmdir(directory);
}
