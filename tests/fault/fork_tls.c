/* Forks while other threads shake hands, send and receive over TLS: every child connects anew and
 * uses its parent's connection, and the parent's calls go on. No thread is in the TLS library at the
 * fork: its functions that do the work are counted, by functions of their names in this program.
 *
 * usage: fork_tls [FORKS]
 */
#include <dlfcn.h>
#include <holdfast/holdfast.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/daemon.h"

#define CONNECTING 2
#define CALLING 2
/* A child that takes a lock of its parent's never ends. The address sanitizer's allocator has such locks:
 * gcc 12's takes none of them for a fork. */
#ifdef __SANITIZE_ADDRESS__
#define CHILD_S 8
#define STUCK_MAX (forks / 4)
#else
#define CHILD_S 30
#define STUCK_MAX 0
#endif
#define VALUE_BYTES 70000 /* several records */

static struct daemon server;
static hf_conn *shared;
static hf_dict *dict;
static atomic_bool is_over;
static atomic_uint connects, calls, failures;
static int forks = 60;

/* ---------------------------------------------------------------- the TLS library */

struct ssl_st;
static atomic_int inside;
static atomic_uint handshakes; /* calls of it */

#define EXPORTED __attribute__((visibility("default")))
EXPORTED int SSL_do_handshake(struct ssl_st *ssl);
EXPORTED int SSL_read_ex(struct ssl_st *ssl, void *data, size_t size, size_t *count);
EXPORTED int SSL_write_ex(struct ssl_st *ssl, const void *data, size_t size, size_t *count);

/* The library's function of that name. */
static void *next(const char *name) {
  void *function = dlsym(RTLD_NEXT, name);
  if (function == NULL) {
    abort();
  }
  return function;
}

int SSL_do_handshake(struct ssl_st *ssl) {
  int (*real)(struct ssl_st *) = (int (*)(struct ssl_st *))next("SSL_do_handshake");
  atomic_fetch_add(&handshakes, 1);
  atomic_fetch_add(&inside, 1);
  int result = real(ssl);
  atomic_fetch_sub(&inside, 1);
  return result;
}

int SSL_read_ex(struct ssl_st *ssl, void *data, size_t size, size_t *count) {
  int (*real)(struct ssl_st *, void *, size_t, size_t *) =
      (int (*)(struct ssl_st *, void *, size_t, size_t *))next("SSL_read_ex");
  atomic_fetch_add(&inside, 1);
  int result = real(ssl, data, size, count);
  atomic_fetch_sub(&inside, 1);
  return result;
}

int SSL_write_ex(struct ssl_st *ssl, const void *data, size_t size, size_t *count) {
  int (*real)(struct ssl_st *, const void *, size_t, size_t *) =
      (int (*)(struct ssl_st *, const void *, size_t, size_t *))next("SSL_write_ex");
  atomic_fetch_add(&inside, 1);
  int result = real(ssl, data, size, count);
  atomic_fetch_sub(&inside, 1);
  return result;
}

/* ---------------------------------------------------------------- threads and children */

static void note(hf_status status, const char *what) {
  if (status != HF_OK) {
    fprintf(stderr, "%s: %s\n", what, hf_last_error()->message);
    atomic_fetch_add(&failures, 1);
  }
}

static void *connect_again_and_again(void *unused) {
  (void)unused;
  while (!is_over) {
    hf_conn *conn;
    hf_status status = hf_connect(server.tcp_url, NULL, &conn);
    note(status, "connect");
    if (status == HF_OK) {
      hf_close(conn);
      atomic_fetch_add(&connects, 1);
    }
  }
  return NULL;
}

static void *call_again_and_again(void *unused) {
  static const char value[VALUE_BYTES];
  (void)unused;
  while (!is_over) {
    hf_value got;
    note(hf_dict_set(dict, hf_text("k"), hf_bytes(value, sizeof value)), "set");
    hf_status status = hf_dict_get(dict, hf_text("k"), &got);
    note(status, "get");
    if (status == HF_OK) {
      hf_value_clear(&got);
      atomic_fetch_add(&calls, 1);
    }
  }
  return NULL;
}

/* In a child; its exit status. */
static int use_both(void) {
  hf_conn *own;
  hf_value got;
  alarm(CHILD_S);
  if (inside != 0) {
    return 3;
  }
  if (hf_connect(server.tcp_url, NULL, &own) != HF_OK || hf_ping(own, NULL) != HF_OK) {
    return 1;
  }
  if (hf_dict_get(dict, hf_text("k"), &got) != HF_OK) {
    return 2;
  }
  hf_value_clear(&got);
  hf_close(own);
  hf_close(shared);
  return 0;
}

static void test_fork_tls(void **state) {
  pthread_t threads[CONNECTING + CALLING];
  int stuck = 0;
  (void)state;
  daemon_use_tls();
  daemon_start(&server, NULL);
  assert_int_equal(hf_connect(server.tcp_url, NULL, &shared), HF_OK);
  assert_string_equal(hf_conn_path(shared), "tls");
  assert_int_equal(hf_dict_open(shared, "d", &dict), HF_OK);
  assert_int_equal(hf_dict_set(dict, hf_text("k"), hf_int(1)), HF_OK);
  for (size_t i = 0; i < CONNECTING + CALLING; i++) {
    void *(*work)(void *) = i < CONNECTING ? connect_again_and_again : call_again_and_again;
    assert_int_equal(pthread_create(&threads[i], NULL, work, NULL), 0);
  }
  for (int i = 0; i < forks; i++) {
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      _exit(use_both());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    bool is_stuck = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
    stuck += is_stuck;
    assert_int_equal(is_stuck ? 0 : status, 0);
    assert_in_range(stuck, 0, STUCK_MAX);
  }
  is_over = true;
  for (size_t i = 0; i < CONNECTING + CALLING; i++) {
    pthread_join(threads[i], NULL);
  }
  print_message("%d forks, %d children stuck, %u connects, %u calls\n", forks, stuck, connects,
                calls);
  assert_int_equal(failures, 0);
  assert_true(connects > 0 && calls > 0 && handshakes > 0);
  hf_dict_close(dict);
  hf_close(shared);
  daemon_stop(&server);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_fork_tls)};
  forks = argc > 1 ? atoi(argv[1]) : forks;
  return cmocka_run_group_tests_name("fault.fork_tls", tests, NULL, NULL);
}
