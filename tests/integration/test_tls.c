/* tls+tcp:// as its users meet it: who gets in, who does not, and what is read then, word for word. */
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/world.h"
#include "tests/support/certificates.h"

#define SOON_MS 4000 /* far below the call timeout: nothing was tried again */
#define URL_BYTES 64
#define FILE_BYTES 128
#define FILES 64 /* of one test */

static char folder[64];

/* A server of its own, with one more address. */
struct secure {
  struct daemon daemon;
  char url[URL_BYTES]; /* tls+tcp://127.0.0.1:PORT */
};

static const char *file(const char *name) {
  static char paths[FILES][FILE_BYTES];
  static size_t next;
  char *path = paths[next++ % FILES];
  snprintf(path, FILE_BYTES, "%s/%s", folder, name);
  return path;
}

static void write_key(const char *name, const char *line) {
  FILE *stream = fopen(file(name), "we");
  assert_non_null(stream);
  assert_int_equal(chmod(file(name), 0600), 0);
  assert_true(fprintf(stream, "%s\n", line) > 0);
  assert_int_equal(fclose(stream), 0);
}

static void make_certificates(void) {
  const struct certificate all[] = {
      {.name = "ca"},
      {.name = "foreign"},
      {.authority = "ca", .name = "server", .alternatives = "DNS:localhost,IP:127.0.0.1"},
      {.authority = "ca",
       .name = "named",
       .common_name = "localhost",
       .alternatives = "DNS:localhost"},
      {.authority = "ca", .name = "worker"},
      {.authority = "ca", .name = "dismissed", .common_name = "worker"},
      {.authority = "foreign", .name = "stranger"},
  };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    certificate_make(folder, &all[i]);
  }
}

/* Who may come by a certificate, or without any. */
static void write_users(void) {
  FILE *conf = fopen(file("anonymous.conf"), "we");
  assert_non_null(conf);
  fputs("[user anonymous]\nrights = :rwc\n", conf);
  fclose(conf);
  conf = fopen(file("users.conf"), "we");
  assert_non_null(conf);
  fputs(
      "[user worker]\ncertificate = cn:worker\nrights = :rwc\n"
      "[user anonymous]\nrights = :rwc\n",
      conf);
  fclose(conf);
  conf = fopen(file("crl.conf"), "we");
  assert_non_null(conf);
  fprintf(conf, "[tls]\nclient_ca = %s\ncrl = %s\n", file("ca.crt"), file("list.crl"));
  fputs("[user worker]\ncertificate = cn:worker\nrights = :rwc\n", conf);
  fclose(conf);
}

static int set_up(void **state) {
  char alice[HF_KEY_LINE_BYTES], other[HF_KEY_LINE_BYTES], bob[HF_KEY_LINE_BYTES];
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/holdfast-tls-XXXXXX");
  if (mkdtemp(folder) == NULL || hf_key_new("alice", alice) != HF_OK ||
      hf_key_new("alice", other) != HF_OK || hf_key_new("bob", bob) != HF_OK) {
    return -1;
  }
  write_key("keys", alice);
  write_key("alice", alice);
  write_key("other", other);
  write_key("bob", bob);
  make_certificates();
  write_users();
  for (const char *const *name = (const char *const[]){"KEY", "CA", "CERT", "PRIVATE_KEY", NULL};
       *name != NULL; name++) {
    char variable[64];
    snprintf(variable, sizeof variable, "HOLDFAST_%s_FILE", *name);
    unsetenv(variable);
  }
  setenv("HOLDFAST_LOCAL", "off", 1);
  return 0;
}

static int tear_down(void **state) {
  char command[sizeof folder + 16];
  (void)state;
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command); /* NOLINT(cert-env33-c): a folder of this test's */
}

static void read_url(struct secure *secure) {
  char path[sizeof secure->daemon.dir + 8], line[URL_BYTES];
  snprintf(path, sizeof path, "%s/ports", secure->daemon.dir);
  FILE *ports = fopen(path, "re");
  assert_non_null(ports);
  secure->url[0] = '\0';
  while (fgets(line, sizeof line, ports) != NULL) {
    if (strncmp(line, "tls+tcp://", 10) == 0) {
      snprintf(secure->url, sizeof secure->url, "%.*s", (int)strcspn(line, "\n"), line);
    }
  }
  fclose(ports);
  assert_string_not_equal(secure->url, "");
}

/* options: up to 8, NULL-terminated */
static void secure_start(struct secure *secure, const char *const *options) {
  const char *extra[16] = {"--listen", "tls+tcp://127.0.0.1:0"};
  for (size_t i = 0; options[i] != NULL; i++) {
    extra[2 + i] = options[i];
  }
  daemon_start(&secure->daemon, extra);
  read_url(secure);
}

static void start_with_keys(struct secure *secure) {
  secure_start(secure, (const char *const[]){"--key-file", file("keys"), NULL});
}

static void start_with_certificate(struct secure *secure, const char *name, const char *client_ca) {
  char certificate[32], key[32];
  snprintf(certificate, sizeof certificate, "%s.crt", name);
  snprintf(key, sizeof key, "%s.key", name);
  const char *users = client_ca != NULL ? "users.conf" : "anonymous.conf";
  secure_start(secure, (const char *const[]){"--config", file(users), "--tls-certificate",
                                             file(certificate), "--tls-private-key", file(key),
                                             client_ca != NULL ? "--tls-client-ca" : NULL,
                                             client_ca != NULL ? file(client_ca) : NULL, NULL});
}

/* Whether a connection with these options can be made and used. */
static void expect_in(const char *url, const struct hf_options *options) {
  hf_conn *conn;
  expect_ok(hf_connect(url, options, &conn));
  assert_string_equal(hf_conn_path(conn), "tls");
  expect_ok(hf_ping(conn, NULL));
  hf_close(conn);
}

/* At once, with exactly this sentence. */
static void expect_out(const char *url, const struct hf_options *options, const char *reason,
                       const char *sentence) {
  hf_conn *conn;
  uint64_t began_ms = now_ms();
  assert_int_equal(hf_connect(url, options, &conn), HF_UNAUTHENTICATED);
  assert_string_equal(hf_last_error()->reason, reason);
  assert_string_equal(hf_last_error()->message, sentence);
  assert_true(now_ms() - began_ms < SOON_MS);
}

/* ---------------------------------------------------------------- keys */

static void expect_key_refused(const char *url, const char *user, const char *path) {
  const struct hf_options options = {.key_file = path};
  char sentence[512];
  snprintf(sentence, sizeof sentence,
           "%s does not accept the key of \"%s\" in %s; is it in the server's key file, and was "
           "that reloaded?",
           url, user, path);
  expect_out(url, &options, "KEY_REFUSED", sentence);
}

static void test_tls_keys(void **state) {
  const struct hf_options alice = {.key_file = file("alice")};
  struct secure secure;
  (void)state;
  start_with_keys(&secure);
  expect_in(secure.url, &alice);
  setenv("HOLDFAST_KEY_FILE", alice.key_file, 1);
  expect_in(secure.url, NULL);
  unsetenv("HOLDFAST_KEY_FILE");
  expect_key_refused(secure.url, "alice", file("other"));
  expect_key_refused(secure.url, "bob", file("bob"));
  expect_out(secure.url, NULL, "NOT_ADMITTED",
             "the server wants a certificate (HOLDFAST_CERT_FILE) or a key (HOLDFAST_KEY_FILE)");
  daemon_stop(&secure.daemon);
}

/* How often the file was opened since the last call. */
static unsigned count_opened(int watch) {
  char events[4096];
  struct pollfd pollfd = {.fd = watch, .events = POLLIN};
  ssize_t len = poll(&pollfd, 1, 0) == 1 ? read(watch, events, sizeof events) : 0;
  assert_true(len >= 0);
  return (unsigned)((size_t)len / sizeof(struct inotify_event) / 2); /* without names */
}

/* Twice could be of two versions: users that no handshake lets in, or handshakes of nobody's. */
static void test_tls_the_key_file_is_read_once(void **state) {
  const struct hf_options alice = {.key_file = file("alice")};
  struct secure secure;
  int watch = inotify_init1(IN_CLOEXEC);
  (void)state;
  assert_true(inotify_add_watch(watch, file("keys"), IN_OPEN | IN_CLOSE_NOWRITE) >= 0);
  start_with_keys(&secure);
  expect_in(secure.url, &alice);
  assert_int_equal(count_opened(watch), 1);
  assert_int_equal(kill(secure.daemon.pid, SIGHUP), 0);
  struct pollfd pollfd = {.fd = watch, .events = POLLIN};
  assert_int_equal(poll(&pollfd, 1, 3000), 1);
  sleep_ms(300);
  assert_int_equal(count_opened(watch), 1);
  close(watch);
  daemon_stop(&secure.daemon);
}

static void test_tls_a_key_where_there_are_certificates_only(void **state) {
  const struct hf_options alice = {.key_file = file("alice")};
  struct secure secure;
  char sentence[256];
  (void)state;
  start_with_certificate(&secure, "server", NULL);
  snprintf(sentence, sizeof sentence,
           "%s has no keys: give HOLDFAST_CA_FILE and a certificate, or set key_file there",
           secure.url);
  expect_out(secure.url, &alice, "KEY_REFUSED", sentence);
  daemon_stop(&secure.daemon);
}

/* What was let in once is not for ever: the server comes back without the key. */
static void test_tls_a_key_that_was_taken_away(void **state) {
  const struct hf_options alice = {.key_file = file("alice")};
  struct secure secure;
  hf_conn *conn;
  (void)state;
  start_with_keys(&secure);
  expect_ok(hf_connect(secure.url, &alice, &conn));
  daemon_kill(&secure.daemon);
  daemon_restart(&secure.daemon,
                 (const char *const[]){"--listen", secure.url, "--key-file", file("bob"), NULL});
  for (int i = 0; i < 2; i++) {
    expect_fails(hf_ping(conn, NULL), UNAUTHENTICATED, KEY_REFUSED);
  }
  hf_close(conn);
  daemon_stop(&secure.daemon);
}

/* Waits in get until the server ends that: the session is over, or the next connection is refused. */
static _Noreturn void wait_for_item(const char *url, int ready) {
  const struct hf_options alice = {.key_file = file("alice")};
  hf_conn *conn;
  hf_queue *queue;
  hf_value item;
  if (hf_connect(url, &alice, &conn) != HF_OK || hf_queue_open(conn, "work", 0, &queue) != HF_OK ||
      write(ready, "", 1) != 1) {
    _exit(1);
  }
  hf_status status = hf_queue_get(queue, 20000, &item);
  fprintf(stderr, "the wait ended: %s %s\n", hf_status_name(status), hf_last_error()->message);
  _exit(status == HF_UNAUTHENTICATED || status == HF_FAILED_PRECONDITION ? 0 : 1);
}

static void test_tls_a_key_that_is_removed_ends_waits(void **state) {
  struct secure secure;
  int ready[2], status;
  char byte;
  (void)state;
  assert_int_equal(pipe(ready), 0);
  start_with_keys(&secure);
  fflush(NULL);
  pid_t client = fork();
  if (client == 0) {
    wait_for_item(secure.url, ready[1]);
  }
  assert_int_equal(read(ready[0], &byte, 1), 1);
  usleep(100000);
  assert_int_equal(rename(file("bob"), file("keys")), 0);
  uint64_t began_ms = now_ms();
  assert_int_equal(kill(secure.daemon.pid, SIGHUP), 0);
  assert_int_equal(waitpid(client, &status, 0), client);
  print_message("%llu ms\n", (unsigned long long)(now_ms() - began_ms));
  assert_int_equal(status, 0);
  assert_true(now_ms() - began_ms < 1000);
  close(ready[0]), close(ready[1]);
  daemon_stop(&secure.daemon);
}

/* ---------------------------------------------------------------- certificates */

static void test_tls_certificates(void **state) {
  const struct hf_options worker = {.ca_file = file("ca.crt"),
                                    .cert_file = file("worker.crt"),
                                    .private_key_file = file("worker.key")};
  const struct hf_options nobody = {.ca_file = file("ca.crt")};
  const struct hf_options stranger = {.ca_file = file("ca.crt"),
                                      .cert_file = file("stranger.crt"),
                                      .private_key_file = file("stranger.key")};
  struct secure secure;
  (void)state;
  start_with_certificate(&secure, "server", "ca.crt");
  expect_in(secure.url, &worker);
  expect_out(secure.url, &nobody, "NOT_ADMITTED",
             "the server wants a certificate (HOLDFAST_CERT_FILE) or a key (HOLDFAST_KEY_FILE)");
  expect_out(secure.url, &stranger, "NOT_ADMITTED",
             "the server does not know the CA of HOLDFAST_CERT_FILE");
  daemon_stop(&secure.daemon);
}

static void test_tls_a_certificate_that_is_not_asked_for(void **state) {
  const struct hf_options worker = {.ca_file = file("ca.crt"),
                                    .cert_file = file("worker.crt"),
                                    .private_key_file = file("worker.key")};
  struct secure secure;
  (void)state;
  secure_start(&secure, (const char *const[]){"--key-file", file("keys"), "--tls-certificate",
                                              file("server.crt"), "--tls-private-key",
                                              file("server.key"), NULL});
  expect_out(secure.url, &worker, "NOT_ADMITTED",
             "this server does not know who you are. Come over tls+tcp:// with a key (without "
             "client_ca the server asks for no certificate), or ask for [user anonymous]");
  daemon_stop(&secure.daemon);
}

static void reload(const struct secure *secure) {
  assert_int_equal(kill(secure->daemon.pid, SIGHUP), 0);
}

/* The server looks again who may be there, and asks those who stay only for another handshake. */
static void test_tls_a_certificate_that_is_revoked(void **state) {
  const struct hf_options worker = {.ca_file = file("ca.crt"),
                                    .cert_file = file("worker.crt"),
                                    .private_key_file = file("worker.key")};
  struct hf_options dismissed = worker;
  static const char sentence[] =
      "the server refuses the certificate of HOLDFAST_CERT_FILE: sslv3 alert certificate revoked";
  struct secure secure;
  hf_conn *kept, *lost;
  hf_lock *lock;
  struct hf_grant grant;
  (void)state;
  dismissed.cert_file = file("dismissed.crt");
  dismissed.private_key_file = file("dismissed.key");
  certificate_revoke(folder, "ca", NULL, "list");
  secure_start(&secure, (const char *const[]){"--config", file("crl.conf"), "--tls-certificate",
                                              file("server.crt"), "--tls-private-key",
                                              file("server.key"), NULL});
  expect_ok(hf_connect(secure.url, &worker, &kept));
  expect_ok(hf_connect(secure.url, &dismissed, &lost));
  expect_ok(hf_lock_open(kept, "kept", &lock));
  expect_ok(hf_lock_acquire(lock, 0, &grant));
  expect_ok(hf_ping(lost, NULL));
  certificate_revoke(folder, "ca", "dismissed", "new");
  assert_int_equal(rename(file("new.crl"), file("list.crl")), 0);
  reload(&secure);
  for (uint64_t until_ms = now_ms() + 3000; hf_ping(lost, NULL) == HF_OK && now_ms() < until_ms;) {
    sleep_ms(10);
  }
  expect_fails(hf_ping(lost, NULL), UNAUTHENTICATED, NOT_ADMITTED);
  assert_string_equal(hf_last_error()->message, sentence);
  hf_close(lost);
  expect_out(secure.url, &dismissed, "NOT_ADMITTED", sentence);
  expect_ok(hf_lock_release_token(lock, grant.token)); /* of the same session */
  expect_in(secure.url, &worker);
  hf_lock_close(lock);
  hf_close(kept);
  daemon_stop(&secure.daemon);
}

/* Certificate and private key in one file, and all from the environment. */
static void test_tls_one_file_is_enough(void **state) {
  struct secure secure;
  char command[512];
  (void)state;
  snprintf(command, sizeof command, "cat %s %s > %s", file("worker.crt"), file("worker.key"),
           file("worker.pem"));
  assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): files of this test's */
  assert_int_equal(chmod(file("worker.pem"), 0600), 0);
  start_with_certificate(&secure, "server", "ca.crt");
  setenv("HOLDFAST_CA_FILE", file("ca.crt"), 1);
  setenv("HOLDFAST_CERT_FILE", file("worker.pem"), 1);
  expect_in(secure.url, NULL);
  setenv("HOLDFAST_CERT_FILE", file("worker.crt"), 1);
  setenv("HOLDFAST_PRIVATE_KEY_FILE", file("worker.key"), 1);
  expect_in(secure.url, NULL);
  unsetenv("HOLDFAST_CA_FILE");
  unsetenv("HOLDFAST_CERT_FILE");
  unsetenv("HOLDFAST_PRIVATE_KEY_FILE");
  daemon_stop(&secure.daemon);
}

static void test_tls_servers_that_are_not_trusted(void **state) {
  const struct hf_options foreign = {.ca_file = file("foreign.crt")};
  const struct hf_options ours = {.ca_file = file("ca.crt")};
  struct secure secure;
  char sentence[512], by_name[URL_BYTES];
  (void)state;
  start_with_certificate(&secure, "named", NULL);
  snprintf(by_name, sizeof by_name, "tls+tcp://localhost%s", strrchr(secure.url, ':'));
  snprintf(sentence, sizeof sentence,
           "%s: unable to get local issuer certificate; HOLDFAST_CA_FILE=%s", by_name,
           foreign.ca_file);
  expect_out(by_name, &foreign, "SERVER_NOT_TRUSTED", sentence);
  snprintf(sentence, sizeof sentence,
           "%s: unable to get local issuer certificate; HOLDFAST_CA_FILE is not set", by_name);
  expect_out(by_name, NULL, "SERVER_NOT_TRUSTED", sentence);
  expect_out(secure.url, &ours, "SERVER_NOT_TRUSTED",
             "the certificate is for localhost, not for 127.0.0.1");
  expect_in(by_name, &ours);
  daemon_stop(&secure.daemon);
}

/* ---------------------------------------------------------------- addresses */

static void test_tls_a_server_in_clear(void **state) {
  const struct hf_options alice = {.key_file = file("alice")};
  struct secure secure;
  char url[URL_BYTES], sentence[256];
  (void)state;
  start_with_keys(&secure);
  snprintf(url, sizeof url, "tls+%.50s", secure.daemon.tcp_url);
  snprintf(sentence, sizeof sentence, "%s answers in clear; use tcp:// there", url);
  expect_out(url, &alice, "SERVER_NOT_TRUSTED", sentence);
  daemon_stop(&secure.daemon);
}

static void test_tls_a_client_in_clear(void **state) {
  struct secure secure;
  char sentence[256];
  (void)state;
  start_with_keys(&secure);
  const char *url = secure.url + strlen("tls+");
  snprintf(sentence, sizeof sentence,
           "%s wants TLS; use tls+tcp:// there, with a key or a certificate", url);
  expect_out(url, NULL, "NOT_ADMITTED", sentence);
  daemon_stop(&secure.daemon);
}

static void test_tls_a_key_and_an_address_in_clear(void **state) {
  const struct hf_options alice = {.call_timeout_ms = 500, .key_file = file("alice")};
  struct secure secure;
  hf_conn *conn;
  (void)state;
  start_with_keys(&secure);
  expect_fails(hf_connect("tcp://192.0.2.1:4653", &alice, &conn), INVALID_ARGUMENT, BAD_ADDRESS);
  assert_string_equal(hf_last_error()->message,
                      "a key is set (key_file), but tcp:// is not encrypted; use tls+tcp://");
  setenv("HOLDFAST_KEY_FILE", alice.key_file, 1);
  expect_fails(hf_connect("tcp://192.0.2.1:4653", NULL, &conn), INVALID_ARGUMENT, BAD_ADDRESS);
  assert_string_equal(
      hf_last_error()->message,
      "a key is set (HOLDFAST_KEY_FILE), but tcp:// is not encrypted; use tls+tcp://");
  expect_ok(hf_connect(secure.daemon.tcp_url, NULL, &conn)); /* it does not leave the machine */
  hf_close(conn);
  expect_ok(hf_connect(secure.daemon.ipc_url, NULL, &conn));
  hf_close(conn);
  unsetenv("HOLDFAST_KEY_FILE");
  daemon_stop(&secure.daemon);
}

/* A server that is not there is no refusal. */
static void test_tls_nobody_listens(void **state) {
  const struct hf_options alice = {.call_timeout_ms = 300, .key_file = file("alice")};
  hf_conn *conn;
  (void)state;
  expect_fails(hf_connect("tls+tcp://127.0.0.1:1", &alice, &conn), UNAVAILABLE, NOT_CONNECTED);
}

/* ---------------------------------------------------------------- shared memory */

/* With a server of this machine a session moves there from tls too. */
static void test_tls_a_session_moves_to_shared_memory(void **state) {
  const struct hf_options alice = {.key_file = file("alice")};
  struct secure secure;
  hf_conn *conn;
  (void)state;
  start_with_keys(&secure);
  setenv("HOLDFAST_LOCAL", "on", 1);
  expect_ok(hf_connect(secure.url, &alice, &conn));
  setenv("HOLDFAST_LOCAL", "off", 1);
  assert_string_equal(hf_conn_path_reason(conn), "");
  assert_string_equal(hf_conn_path(conn), "shared memory");
  expect_ok(hf_ping(conn, NULL));
  hf_close(conn);
  daemon_stop(&secure.daemon);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tls_keys),
      cmocka_unit_test(test_tls_the_key_file_is_read_once),
      cmocka_unit_test(test_tls_a_key_where_there_are_certificates_only),
      cmocka_unit_test(test_tls_a_key_that_was_taken_away),
      cmocka_unit_test(test_tls_certificates),
      cmocka_unit_test(test_tls_a_certificate_that_is_not_asked_for),
      cmocka_unit_test(test_tls_a_certificate_that_is_revoked),
      cmocka_unit_test(test_tls_one_file_is_enough),
      cmocka_unit_test(test_tls_servers_that_are_not_trusted),
      cmocka_unit_test(test_tls_a_server_in_clear),
      cmocka_unit_test(test_tls_a_client_in_clear),
      cmocka_unit_test(test_tls_a_key_and_an_address_in_clear),
      cmocka_unit_test(test_tls_nobody_listens),
      cmocka_unit_test(test_tls_a_session_moves_to_shared_memory),
      cmocka_unit_test(test_tls_a_key_that_is_removed_ends_waits), /* last: the key stays away */
  };
  return cmocka_run_group_tests_name("integration.tls", tests, set_up, tear_down);
}
