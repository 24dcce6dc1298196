/* Links of transport_tls, against a server's half of TLS in the same thread: what they send and
 * receive, what they wait for, and why they fail. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/src/transport/credentials.h"
#include "client/src/transport/dial_error.h"
#include "client/src/transport/transport.h"
#include "tests/support/malloc_hook.h"

#define ALICE "alice:hfk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9jDc0p"
#define LARGE_BYTES ((size_t)3 << 20)

static char folder[64], client_keys[128], server_keys[128];
static struct buffer_budget budget = {.bytes_max = SIZE_MAX};

/* One connection: our link, and the peer. */
struct pair {
  struct link link;
  struct dial dial;
  struct dialling dialling;
  int peer;
  struct tls_context *context;
  struct tls *tls;
  uint8_t *received;
  size_t received_len;
};

/* NOLINTNEXTLINE(bugprone-reserved-identifier): the linker's name */
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text) {
  size_t size = strlen(text) + 1;
  char *copy = malloc(size);
  return copy != NULL ? memcpy(copy, text, size) : NULL;
}

static void write_file(const char *path, const char *text) {
  unlink(path);
  FILE *file = fopen(path, "we");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
  assert_int_equal(chmod(path, 0600), 0);
}

static int make_files(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/hf_link.XXXXXX");
  if (mkdtemp(folder) == NULL) {
    return -1;
  }
  snprintf(client_keys, sizeof client_keys, "%s/client", folder);
  snprintf(server_keys, sizeof server_keys, "%s/server", folder);
  write_file(client_keys, ALICE "\n");
  write_file(server_keys, ALICE "\n");
  return 0;
}

static int remove_files(void **state) {
  (void)state;
  unlink(client_keys);
  unlink(server_keys);
  return rmdir(folder);
}

static void pair_begin(struct pair *pair) {
  const struct credentials_files files = {.key = client_keys};
  const struct tls_settings settings = {
      .certificate = "", .private_key = "", .client_ca = "", .crl = "", .key_file = server_keys};
  char error[TLS_ERROR_BYTES];
  int ends[2];
  memset(pair, 0, sizeof *pair);
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
  pair->link = (struct link){.transport = &transport_tls, .fd = ends[0]};
  pair->peer = ends[1];
  pair->dialling.credentials = credentials_new(&files, error);
  assert_non_null(pair->dialling.credentials);
  pair->dial = (struct dial){.address = "h:4653", .dialling = &pair->dialling};
  pair->context = tls_context_new_server(&settings, error);
  assert_non_null(pair->context);
  pair->tls = tls_new(pair->context, &budget, NULL);
  assert_non_null(pair->tls);
  pair->received = malloc(LARGE_BYTES + TLS_RECORD_BYTES_MAX);
  assert_non_null(pair->received);
}

static void pair_end(struct pair *pair) {
  link_close(&pair->link);
  credentials_free(pair->dialling.credentials);
  tls_free(pair->tls);
  tls_context_release(pair->context);
  if (pair->peer >= 0) {
    close(pair->peer);
  }
  free(pair->received);
}

/* ---------------------------------------------------------------- the peer */

static void peer_flush(struct pair *pair) {
  struct buffer *output = tls_output(pair->tls);
  ssize_t sent = send(pair->peer, buffer_first(output), output->len, MSG_NOSIGNAL);
  if (sent > 0) {
    buffer_consume(output, (size_t)sent);
  }
}

/* Receives up to that many bytes of the socket, and decrypts them. Whether any came. */
static bool peer_receive(struct pair *pair, size_t size) {
  struct buffer *input = tls_input(pair->tls);
  size_t count;
  assert_true(buffer_reserve(input, size));
  ssize_t got = recv(pair->peer, buffer_end(input), size, 0);
  input->len += got > 0 ? (size_t)got : 0;
  if (tls_handshake(pair->tls) == TLS_OK) {
    while (tls_read(pair->tls, pair->received + pair->received_len, TLS_RECORD_BYTES_MAX, &count) ==
           TLS_OK) {
      pair->received_len += count;
      assert_true(pair->received_len <= LARGE_BYTES);
    }
  }
  peer_flush(pair);
  return got > 0;
}

/* Sealed, but for the last `kept` bytes sent. */
static void peer_send(struct pair *pair, const char *text, size_t kept) {
  struct buffer *output = tls_output(pair->tls);
  assert_true(tls_write(pair->tls, text, strlen(text)));
  size_t size = output->len - kept;
  assert_int_equal(send(pair->peer, buffer_first(output), size, 0), size);
  buffer_consume(output, size);
}

static int secure(struct pair *pair) {
  int error;
  do {
    struct waits waits;
    waits_init(&waits);
    error = transport_tls.secure(&pair->link, &pair->dial, &waits);
    assert_int_equal(error == STEP_WAITS, waits.count == 1);
  } while (error == STEP_WAITS && (peer_receive(pair, 1000) || true));
  return error == 0 ? 0 : transport_tls.explain(&pair->link, &pair->dial, error);
}

static void pair_open(struct pair *pair) {
  pair_begin(pair);
  assert_int_equal(secure(pair), 0);
  peer_receive(pair, 1000);
  assert_int_equal(tls_handshake(pair->tls), TLS_OK);
}

static short wait_now(struct pair *pair, short events) {
  return link_wait(&pair->link, events, 0);
}

/* ---------------------------------------------------------------- bytes */

static void test_small_messages_go_both_ways(void **state) {
  struct pair pair;
  char text[64];
  struct iovec parts[] = {
      {(void *)(uintptr_t) "he", 2}, {(void *)(uintptr_t) "", 0}, {(void *)(uintptr_t) "llo", 3}};
  (void)state;
  pair_open(&pair);
  assert_int_equal(link_send(&pair.link, parts, 3), 5);
  peer_receive(&pair, 1000);
  assert_int_equal(pair.received_len, 5);
  assert_memory_equal(pair.received, "hello", 5);
  assert_int_equal(link_recv(&pair.link, text, sizeof text), -1);
  assert_int_equal(errno, EAGAIN);
  peer_send(&pair, "welcome", 0);
  assert_int_equal(link_recv(&pair.link, text, 3), 3);
  assert_int_equal(link_recv(&pair.link, text + 3, sizeof text), 4);
  assert_memory_equal(text, "welcome", 7);
  pair_end(&pair);
}

/* Of more than the kernel takes a byte stays unsent for the caller, who waits for room until all
 * sealed bytes are gone, whatever the sizes of the parts are. */
static void test_a_lot_is_sent_whole(void **state) {
  struct pair pair;
  uint8_t *data = malloc(LARGE_BYTES);
  size_t done = 0, waits = 0;
  (void)state;
  assert_non_null(data);
  for (size_t i = 0; i < LARGE_BYTES; i++) {
    data[i] = (uint8_t)(i * 2654435761u >> 13);
  }
  pair_open(&pair);
  for (size_t size = 1; done < LARGE_BYTES; size = size * 5 % 70001) {
    size_t rest = LARGE_BYTES - done, first = size < rest ? size : rest;
    struct iovec parts[] = {{data + done, first}, {data + done + first, rest - first}};
    ssize_t sent = link_send(&pair.link, parts, 2);
    if (sent > 0) {
      done += (size_t)sent;
    } else {
      assert_int_equal(errno, EAGAIN);
      assert_int_equal(wait_now(&pair, POLLOUT), 0);
      while (wait_now(&pair, POLLOUT) == 0) {
        waits++;
        assert_true(peer_receive(&pair, 5000));
      }
    }
  }
  while (peer_receive(&pair, 100000)) {
  }
  assert_true(waits > 0);
  assert_int_equal(pair.received_len, LARGE_BYTES);
  assert_memory_equal(pair.received, data, LARGE_BYTES);
  free(data);
  pair_end(&pair);
}

/* The last byte that was sealed is said to be unsent, and goes once. */
static void test_a_byte_is_owed_while_sealed_bytes_are_left(void **state) {
  struct pair pair;
  uint8_t data[1000];
  size_t reported = 0;
  ssize_t sent;
  (void)state;
  pair_open(&pair);
  do {
    for (size_t i = 0; i < sizeof data; i++) {
      data[i] = (uint8_t)((reported + i) % 251);
    }
    struct iovec part = {data, sizeof data};
    sent = link_send(&pair.link, &part, 1);
    reported += sent > 0 ? (size_t)sent : 0;
  } while (sent > 0);
  while (peer_receive(&pair, 100000)) {
  }
  assert_int_equal(wait_now(&pair, POLLOUT), POLLOUT); /* sends the rest */
  while (peer_receive(&pair, 100000)) {
  }
  assert_int_equal(pair.received_len, reported + 1);
  for (size_t i = 0; i < 2; i++) {
    data[i] = (uint8_t)((reported + i) % 251);
  }
  struct iovec owed = {data, 2};
  assert_int_equal(link_send(&pair.link, &owed, 1), 2);
  peer_receive(&pair, 100000);
  assert_int_equal(pair.received_len, reported + 2);
  for (size_t i = 0; i < pair.received_len; i++) {
    assert_int_equal(pair.received[i], i % 251);
  }
  pair_end(&pair);
}

/* ---------------------------------------------------------------- waiting */

/* Bytes of a record that is not whole yet are nothing to be read. */
static void test_what_is_readable_is_decrypted(void **state) {
  struct pair pair;
  char text[16];
  (void)state;
  pair_open(&pair);
  assert_int_equal(wait_now(&pair, POLLIN), 0);
  peer_send(&pair, "reply", 3);
  assert_int_equal(wait_now(&pair, POLLIN), 0);
  assert_int_equal(link_arm(&pair.link, POLLIN), 0);
  assert_int_equal(link_recv(&pair.link, text, sizeof text), -1);
  assert_int_equal(errno, EAGAIN);
  peer_flush(&pair);
  assert_int_equal(wait_now(&pair, POLLIN), POLLIN);
  assert_int_equal(link_arm(&pair.link, POLLIN), POLLIN);
  assert_int_equal(link_recv(&pair.link, text, sizeof text), 5);
  assert_int_equal(wait_now(&pair, POLLIN), 0);
  pair_end(&pair);
}

/* Otherwise the bytes would be in the buffer while the reader sleeps on the socket. */
static void test_who_waits_for_room_reads_nothing(void **state) {
  struct pair pair;
  int before, after;
  (void)state;
  pair_open(&pair);
  peer_send(&pair, "for the reader", 0);
  assert_int_equal(ioctl(pair.link.fd, FIONREAD, &before), 0);
  assert_true(before > 14);
  assert_int_equal(wait_now(&pair, POLLOUT), POLLOUT);
  assert_int_equal(ioctl(pair.link.fd, FIONREAD, &after), 0);
  assert_int_equal(after, before);
  pair_end(&pair);
}

static void test_the_end(void **state) {
  struct pair pair;
  char text[16];
  (void)state;
  pair_open(&pair);
  peer_send(&pair, "last", 0);
  tls_goodbye(pair.tls);
  peer_flush(&pair);
  assert_true((wait_now(&pair, POLLIN) & POLLIN) != 0);
  assert_int_equal(link_recv(&pair.link, text, sizeof text), 4);
  assert_int_equal(wait_now(&pair, POLLIN), POLLIN | POLLHUP);
  assert_int_equal(link_recv(&pair.link, text, sizeof text), 0);
  assert_int_equal(wait_now(&pair, POLLOUT), POLLOUT); /* what the peer still takes */
  pair_end(&pair);
}

static void test_the_peer_is_gone(void **state) {
  struct pair pair;
  char text[16] = "x";
  struct iovec part = {text, 1};
  (void)state;
  pair_open(&pair);
  close(pair.peer);
  pair.peer = -1;
  assert_int_equal(link_send(&pair.link, &part, 1), -1);
  assert_int_equal(errno, EPIPE);
  assert_true(wait_now(&pair, POLLOUT) != 0);
  assert_true((wait_now(&pair, POLLIN) & POLLIN) != 0);
  pair_end(&pair);
}

/* Bytes that somebody changed on their way. */
static void test_a_broken_record_ends_the_link(void **state) {
  struct pair pair;
  char text[16];
  (void)state;
  pair_open(&pair);
  struct buffer *output = tls_output(pair.tls);
  assert_true(tls_write(pair.tls, "abc", 3));
  buffer_first(output)[output->len - 1] ^= 1;
  peer_flush(&pair);
  assert_true((wait_now(&pair, POLLIN) & POLLIN) != 0);
  assert_int_equal(link_recv(&pair.link, text, sizeof text), -1);
  assert_int_equal(errno, EBADMSG);
  pair_end(&pair);
}

/* ---------------------------------------------------------------- failures */

static void test_a_wrong_key_is_explained(void **state) {
  struct pair pair;
  char line[KEY_LINE_BYTES], expected[REFUSAL_BYTES];
  (void)state;
  assert_true(key_make("alice", line));
  write_file(server_keys, line);
  pair_begin(&pair);
  write_file(server_keys, ALICE "\n");
  assert_int_equal(secure(&pair), DIAL_KEY_REFUSED);
  snprintf(expected, sizeof expected,
           "tls+tcp://h:4653 does not accept the key of \"alice\" in %s; is it in the server's key "
           "file, and was that reloaded?",
           client_keys);
  assert_string_equal(pair.dialling.refusal, expected);
  pair_end(&pair);
}

static void test_a_server_in_clear_is_explained(void **state) {
  struct pair pair;
  uint8_t hello[SP_HELLO_BYTES];
  struct waits waits;
  (void)state;
  pair_begin(&pair);
  sp_hello_write(hello, SP_REP);
  assert_int_equal(write(pair.peer, hello, sizeof hello), sizeof hello);
  waits_init(&waits);
  int error = transport_tls.secure(&pair.link, &pair.dial, &waits);
  assert_int_equal(transport_tls.explain(&pair.link, &pair.dial, error), DIAL_IN_CLEAR);
  assert_string_equal(pair.dialling.refusal, "tls+tcp://h:4653 answers in clear; use tcp:// there");
  pair_end(&pair);
}

static void test_a_cut_handshake_may_be_tried_again(void **state) {
  struct pair pair;
  struct waits waits;
  (void)state;
  pair_begin(&pair);
  shutdown(pair.peer, SHUT_WR);
  waits_init(&waits);
  int error = transport_tls.secure(&pair.link, &pair.dial, &waits);
  assert_int_equal(error, DIAL_HANDSHAKE_CUT);
  assert_int_equal(transport_tls.explain(&pair.link, &pair.dial, error), DIAL_HANDSHAKE_CUT);
  assert_int_equal(dial_error_reason(error, false), HF_REASON_NONE);
  pair_end(&pair);
}

/* ---------------------------------------------------------------- credentials */

static void expect_user(struct credentials *credentials, const char *expected) {
  char user[KEY_USER_BYTES_MAX + 1];
  struct tls_context *context = credentials_context(credentials, user);
  assert_non_null(context);
  assert_string_equal(user, expected);
  tls_context_release(context);
}

static void test_a_key_that_was_replaced_is_used(void **state) {
  const struct credentials_files files = {.key = client_keys};
  char error[TLS_ERROR_BYTES], line[KEY_LINE_BYTES];
  (void)state;
  struct credentials *credentials = credentials_new(&files, error);
  assert_non_null(credentials);
  expect_user(credentials, "alice");
  write_file(client_keys, "bob:hfk1_cut");
  expect_user(credentials, "alice"); /* what was read before stays */
  assert_true(key_make("bob", line));
  write_file(client_keys, line);
  expect_user(credentials, "bob");
  unlink(client_keys);
  expect_user(credentials, "bob");
  write_file(client_keys, ALICE "\n");
  expect_user(credentials, "alice");
  credentials_free(credentials);
}

static void test_files_that_cannot_be_used(void **state) {
  const struct credentials_files files = {.key = "/nothing/there"};
  char error[TLS_ERROR_BYTES];
  (void)state;
  assert_null(credentials_new(&files, error));
  assert_string_equal(error,
                      "key file /nothing/there: No such file or directory; a line of "
                      "\"holdfast key new USER\" belongs there");
}

/* ---------------------------------------------------------------- memory */

/* Whatever allocation fails: an error, and nothing left behind. */
static void test_no_memory(void **state) {
  size_t failures = 0;
  bool has_failed = true;
  (void)state;
  for (size_t n = 1; has_failed; n++) {
    struct pair pair;
    struct waits waits;
    pair_begin(&pair);
    size_t before = malloc_hook_live_bytes();
    waits_init(&waits);
    malloc_hook_fail(n);
    int error = transport_tls.secure(&pair.link, &pair.dial, &waits);
    has_failed = malloc_hook_has_failed();
    malloc_hook_fail(0);
    if (error != STEP_WAITS) {
      error = transport_tls.explain(&pair.link, &pair.dial, error);
    }
    assert_int_equal(error, has_failed ? ENOMEM : STEP_WAITS);
    failures += has_failed;
    link_close(&pair.link);
    assert_int_equal(malloc_hook_live_bytes(), before);
    pair_end(&pair);
  }
  assert_true(failures >= 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_small_messages_go_both_ways),
      cmocka_unit_test(test_a_lot_is_sent_whole),
      cmocka_unit_test(test_what_is_readable_is_decrypted),
      cmocka_unit_test(test_who_waits_for_room_reads_nothing),
      cmocka_unit_test(test_a_byte_is_owed_while_sealed_bytes_are_left),
      cmocka_unit_test(test_the_end),
      cmocka_unit_test(test_the_peer_is_gone),
      cmocka_unit_test(test_a_broken_record_ends_the_link),
      cmocka_unit_test(test_a_wrong_key_is_explained),
      cmocka_unit_test(test_a_server_in_clear_is_explained),
      cmocka_unit_test(test_a_cut_handshake_may_be_tried_again),
      cmocka_unit_test(test_a_key_that_was_replaced_is_used),
      cmocka_unit_test(test_files_that_cannot_be_used),
      cmocka_unit_test(test_no_memory),
  };
  return cmocka_run_group_tests_name("unit.link_tls", tests, make_files, remove_files);
}
