/* Bytes of a hostile peer at a server's TLS: before the handshake, in it, and after it. Whatever comes, the
 * server reads nothing that the peer did not seal, makes nobody a user, and writes a bounded answer.
 *
 * input   its first byte: 0: a peer without TLS | 1: a peer that changes what a client sends while they shake
 *         hands | 2: a peer that changes what a client with the key sends afterwards. Then, of 0: bytes; of
 *         the others: pairs of a position, in 2 bytes, and a byte to be put there.
 */
#include "proto/tls/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX ((size_t)64 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buffer_budget budget = {.bytes_max = (size_t)64 << 20};
static struct tls_context *server_context, *client_context;

static void require(bool holds) {
  if (!holds) {
    abort();
  }
}

/* A server with one user, and a client that is it. */
static void make_contexts(void) {
  uint8_t secret[KEY_SECRET_BYTES] = {1};
  char line[KEY_LINE_BYTES], path[] = "/tmp/holdfast-fuzz-XXXXXX", error[TLS_ERROR_BYTES];
  struct key key;
  key_write("alice", secret, line);
  require(key_read(bytes_of_text(line), &key) == NULL);
  int fd = mkstemp(path);
  require(fd >= 0 && dprintf(fd, "%s\n", line) > 0 && close(fd) == 0);
  server_context = tls_context_new_server(&(struct tls_settings){.key_file = path}, error);
  client_context = tls_context_new_client(&(struct tls_client_settings){.key = &key}, error);
  require(unlink(path) == 0 && server_context != NULL && client_context != NULL);
}

static void give(struct tls *tls, const uint8_t *data, size_t len) {
  require(buffer_reserve(tls_input(tls), len));
  if (len > 0) {
    memcpy(buffer_end(tls_input(tls)), data, len);
    tls_input(tls)->len += len;
  }
}

/* Puts the input's bytes where it says, moves all to the peer. Whether anything was changed. */
static bool carry_changed(struct tls *from, struct tls *to, const uint8_t **data, size_t *size) {
  struct buffer *sent = tls_output(from);
  bool is_changed = false;
  for (; *size >= 3 && sent->len > 0; *data += 3, *size -= 3) {
    size_t position = ((size_t)(*data)[0] << 8 | (*data)[1]) % sent->len;
    is_changed |= buffer_first(sent)[position] != (*data)[2];
    buffer_first(sent)[position] = (*data)[2];
    if ((*data)[0] >= 0x80) { /* the rest is for the next flight */
      *data += 3;
      *size -= 3;
      break;
    }
  }
  give(to, buffer_first(sent), sent->len);
  buffer_consume(sent, sent->len);
  return is_changed;
}

/* Decrypts until nothing moves. Answers how many bytes. */
static size_t read_all(struct tls *tls) {
  uint8_t got[100];
  size_t total = 0, count;
  while (tls_read(tls, got, sizeof got, &count) == TLS_OK) {
    require(count > 0 && count <= sizeof got);
    total += count;
  }
  require(tls_pending(tls) <= 1);
  return total;
}

static void run_without_tls(struct tls *server, const uint8_t *data, size_t size) {
  while (size > 0) {
    size_t piece = size > 7 ? size / 2 : size;
    give(server, data, piece);
    data += piece;
    size -= piece;
    require(tls_handshake(server) != TLS_OK);
    require(read_all(server) == 0);
  }
  require(tls_peer(server).kind == TLS_PEER_UNKNOWN);
}

/* Both sides, with the input's changes on the way to the server. */
static void run_handshake(struct tls *client, struct tls *server, const uint8_t *data,
                          size_t size) {
  enum tls_result served = TLS_WAITS;
  bool is_changed = false;
  for (int flights = 0; flights < 4 && served == TLS_WAITS; flights++) {
    (void)tls_handshake(client);
    is_changed |= carry_changed(client, server, &data, &size);
    served = tls_handshake(server);
    give(client, buffer_first(tls_output(server)), tls_output(server)->len);
    require(tls_output(server)->len < ANSWER_BYTES_MAX);
    buffer_consume(tls_output(server), tls_output(server)->len);
  }
  require(served != TLS_OK || tls_peer(server).kind == TLS_PEER_KEY);
  require(served == TLS_OK || tls_peer(server).kind == TLS_PEER_UNKNOWN);
  require(is_changed || served == TLS_OK);
}

static void run_after(struct tls *client, struct tls *server, const uint8_t *data, size_t size) {
  static const uint8_t text[40] = "what a client says";
  run_handshake(client, server, NULL, 0);
  for (int i = 0; i < 2; i++) {
    require(tls_write(client, text, sizeof text));
  }
  bool is_changed = carry_changed(client, server, &data, &size);
  size_t total = read_all(server);
  require(is_changed ? total <= 2 * sizeof text : total == 2 * sizeof text);
  give(server, data, size); /* and what is no record at all */
  require(read_all(server) == 0);
  require(tls_output(server)->len < ANSWER_BYTES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (server_context == NULL) {
    make_contexts();
  }
  if (size == 0) {
    return 0;
  }
  struct tls *client = tls_new(client_context, &budget, NULL);
  struct tls *server = tls_new(server_context, &budget, NULL);
  require(client != NULL && server != NULL);
  if (data[0] % 3 == 0) {
    run_without_tls(server, data + 1, size - 1);
  } else if (data[0] % 3 == 1) {
    run_handshake(client, server, data + 1, size - 1);
  } else {
    run_after(client, server, data + 1, size - 1);
  }
  tls_goodbye(server);
  tls_free(client);
  tls_free(server);
  require(budget.used_bytes == 0);
  return 0;
}
