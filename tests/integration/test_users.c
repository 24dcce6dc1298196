/* Programs that share memory: those of one user do, others learn why not, and root is another
 * user like any. Processes of several users, so it needs root. */
#define _GNU_SOURCE /* unshare */
#include "tests/integration/world.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/local_handshake.h"
#include "proto/sp.h"

#define SKIPPED 77
#define NOBODY 65534
#define STRANGER 65533 /* another user, in no group of the server */
#define SHARED "shared memory"
#define RUN_AS "; run this as that user"

static void become(uid_t user) {
  if (setgroups(0, NULL) != 0 || setgid(user) != 0 || setuid(user) != 0) {
    _exit(1);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Of servers that serve other users too. */
static const char *const admitting[] = {"--insecure-no-auth", NULL};

/* ---------------------------------------------------------------- another user's server */

static struct {
  struct daemon daemon;
  pid_t host; /* of the same user: starts the server, and stops it when `stop` closes */
  int stop;
} theirs;

static void become_nobody(void) {
  become(NOBODY);
}

/* Who the server's host becomes, before it starts the server. */
typedef void (*becomes)(void);

static _Noreturn void host_server(becomes begin, int started, int stop, const char *const *extra) {
  struct daemon daemon;
  char byte;
  begin();
  daemon_start(&daemon, extra);
  bool is_reported = write(started, &daemon, sizeof daemon) == (ssize_t)sizeof daemon;
  is_reported = is_reported && read(stop, &byte, 1) == 0;
  daemon_stop(&daemon);
  _exit(is_reported ? 0 : 1);
}

static int start_with(becomes begin, const char *const *extra) {
  int started[2], stop[2];
  if (pipe(started) != 0 || pipe(stop) != 0) {
    return -1;
  }
  fflush(NULL);
  theirs.host = fork();
  if (theirs.host == 0) {
    close(stop[1]);
    host_server(begin, started[1], stop[0], extra);
  }
  close(started[1]);
  close(stop[0]);
  theirs.stop = stop[1];
  bool has_come = read(started[0], &theirs.daemon, sizeof theirs.daemon) == sizeof theirs.daemon;
  close(started[0]);
  return has_come ? 0 : -1;
}

static int start_theirs(void **state) {
  (void)state;
  return start_with(become_nobody, NULL);
}

static int start_theirs_admitting(void **state) {
  (void)state;
  return start_with(become_nobody, admitting);
}

static int stop_theirs(void **state) {
  int status;
  (void)state;
  close(theirs.stop);
  return waitpid(theirs.host, &status, 0) == theirs.host && status == 0 ? 0 : -1;
}

static void handshake_of(const struct daemon *daemon, char path[256]) {
  snprintf(path, 256, "%s%s", daemon->ipc_url + strlen("ipc://"), HANDSHAKE_SUFFIX);
}

/* As an administrator may: others get as far as the local handshake. */
static void open_way(const struct daemon *daemon) {
  char path[256];
  handshake_of(daemon, path);
  assert_int_equal(chmod(daemon->dir, 0711), 0);
  assert_int_equal(chmod(path, 0666), 0);
}

/* ---------------------------------------------------------------- clients */

struct way {
  char path[32], reason[160];
};

static void find_way(uid_t user, const char *url, struct way *way) {
  hf_conn *conn;
  become(user);
  if (hf_connect(url, NULL, &conn) != HF_OK || hf_ping(conn, NULL) != HF_OK) {
    fprintf(stderr, "%s: %s\n", url, hf_last_error()->message);
    _exit(1);
  }
  snprintf(way->path, sizeof way->path, "%s", hf_conn_path(conn));
  snprintf(way->reason, sizeof way->reason, "%s", hf_conn_path_reason(conn));
  hf_close(conn);
  _exit(0);
}

static void expect_way(uid_t user, const char *url, const char *path, const char *reason) {
  int status;
  struct way *way =
      mmap(NULL, sizeof *way, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(way != MAP_FAILED);
  fflush(NULL);
  pid_t client = fork();
  if (client == 0) {
    find_way(user, url, way);
  }
  assert_int_equal(waitpid(client, &status, 0), client);
  assert_int_equal(status, 0);
  print_message("user %u: over %s: %s\n", (unsigned)user, way->path, way->reason);
  assert_string_equal(way->path, path);
  assert_string_equal(way->reason, reason);
  munmap(way, sizeof *way);
}

static void expect_refused(uid_t user, const char *url, const char *reason) {
  struct way *way =
      mmap(NULL, sizeof *way, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int status;
  assert_true(way != MAP_FAILED);
  fflush(NULL);
  pid_t client = fork();
  if (client == 0) {
    hf_conn *conn;
    become(user);
    hf_status connected = hf_connect(url, NULL, &conn);
    snprintf(way->reason, sizeof way->reason, "%s", hf_last_error()->message);
    _exit(connected == HF_UNAUTHENTICATED ? 0 : 1);
  }
  assert_int_equal(waitpid(client, &status, 0), client);
  print_message("user %u: %s\n", (unsigned)user, way->reason);
  assert_int_equal(status, 0);
  assert_string_equal(way->reason, reason);
  munmap(way, sizeof *way);
}

/* ---------------------------------------------------------------- tests */

static void test_users_only_the_servers_own_and_root_are_admitted(void **state) {
  (void)state;
  expect_refused(
      STRANGER, theirs.daemon.tcp_url,
      "this server serves uid 65534 (nobody); you are uid 65533. Ask for [user \xe2\x80\xa6] "
      "uid = 65533");
  assert_int_equal(chmod(world.daemon.dir, 0711), 0);
  assert_int_equal(chmod(world.daemon.ipc_url + strlen("ipc://"), 0666), 0);
  expect_refused(NOBODY, world.daemon.ipc_url,
                 "this server serves uid 0 (root); you are uid 65534 (nobody). Ask for [user "
                 "\xe2\x80\xa6] uid = nobody");
  expect_refused(NOBODY, world.daemon.tcp_url,
                 "this server serves uid 0 (root); you are uid 65534 (nobody). Ask for [user "
                 "\xe2\x80\xa6] uid = nobody");
}

static void test_users_one_user_shares_memory(void **state) {
  (void)state;
  expect_way(NOBODY, theirs.daemon.ipc_url, SHARED, "");
  expect_way(NOBODY, theirs.daemon.tcp_url, SHARED, "");
  expect_way(0, world.daemon.tcp_url, SHARED, "");
}

static void test_users_root_goes_to_no_other_users_server(void **state) {
  static const char why[] =
      "the server there is another user's, and root shares memory with root's servers only" RUN_AS;
  (void)state;
  expect_way(0, theirs.daemon.ipc_url, "ipc", why);
  expect_way(0, theirs.daemon.tcp_url, "tcp", why);
}

static void test_users_another_goes_to_no_other_users_server(void **state) {
  (void)state;
  open_way(&theirs.daemon);
  expect_way(STRANGER, theirs.daemon.tcp_url, "tcp", "the server there is another user's" RUN_AS);
}

static void test_users_another_may_not_go_to_the_local_handshake(void **state) {
  struct daemon ours;
  (void)state;
  daemon_start(&ours, admitting);
  expect_way(NOBODY, ours.tcp_url, "tcp",
             "this user may not connect to the server's local handshake");
  open_way(&ours);
  expect_way(NOBODY, ours.tcp_url, "tcp", "the server shares memory with its own user only" RUN_AS);
  daemon_stop(&ours);
}

/* A client of root's that is not ours. */
static void test_users_root_is_refused_at_the_local_handshake(void **state) {
  const struct handshake_hello hello = {
      .magic = HANDSHAKE_MAGIC, .protocol = SP_REQ, .framing = SP_IPC};
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct handshake_answer answer;
  char path[256];
  (void)state;
  handshake_of(&theirs.daemon, path);
  snprintf(address.sun_path, sizeof address.sun_path, "%.100s", path);
  int handshake = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  assert_int_equal(connect(handshake, (struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(send(handshake, &hello, sizeof hello, MSG_NOSIGNAL), sizeof hello);
  assert_int_equal(recv(handshake, &answer, sizeof answer, 0), sizeof answer);
  assert_int_equal(answer.status, HANDSHAKE_NOT_ALLOWED);
  close(handshake);
}

/* ---------------------------------------------------------------- a configuration that changes */

static struct {
  struct daemon daemon;
  char file[192];
} ours;

static void configure(const char *text) {
  FILE *file = fopen(ours.file, "we");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

static int start_ours(void **state) {
  const char *const extra[] = {"--config", ours.file, NULL};
  (void)state;
  snprintf(ours.file, sizeof ours.file, "/tmp/holdfast-users-%ld.conf", (long)getpid());
  configure("[user web]\nuid = nobody\nrights = :rwc\n");
  daemon_start(&ours.daemon, extra);
  return 0;
}

static int stop_ours(void **state) {
  (void)state;
  daemon_stop(&ours.daemon);
  return unlink(ours.file);
}

/* Waits in get until the server ends that: the session is over, or the next connection is refused. */
static _Noreturn void wait_as_nobody(int ready) {
  hf_conn *conn;
  hf_queue *queue;
  hf_value item;
  become(NOBODY);
  if (hf_connect(ours.daemon.tcp_url, NULL, &conn) != HF_OK ||
      hf_queue_open(conn, "work", 0, &queue) != HF_OK || write(ready, "", 1) != 1) {
    fprintf(stderr, "%s\n", hf_last_error()->message);
    _exit(1);
  }
  hf_status status = hf_queue_get(queue, 20000, &item);
  fprintf(stderr, "the wait ended: %s %s\n", hf_status_name(status), hf_last_error()->message);
  _exit(status == HF_UNAUTHENTICATED || status == HF_FAILED_PRECONDITION ? 0 : 1);
}

static void test_users_that_are_gone_end_within_a_second(void **state) {
  int ready[2], status;
  char byte;
  (void)state;
  expect_way(NOBODY, ours.daemon.tcp_url, "tcp",
             "this user may not connect to the server's local handshake");
  expect_refused(STRANGER, ours.daemon.tcp_url,
                 "this server serves uid 0 (root); you are uid 65533. Ask for [user \xe2\x80\xa6] "
                 "uid = 65533");
  assert_int_equal(pipe(ready), 0);
  fflush(NULL);
  pid_t client = fork();
  if (client == 0) {
    wait_as_nobody(ready[1]);
  }
  assert_int_equal(read(ready[0], &byte, 1), 1);
  usleep(100000); /* its get waits in the server by now, or comes to one that knows it no more */
  configure("[user web]\nuid = 65533\nrights = :rwc\n");
  uint64_t since_ns = clock_now_ns();
  assert_int_equal(kill(ours.daemon.pid, SIGHUP), 0);
  assert_int_equal(waitpid(client, &status, 0), client);
  uint64_t took_ms = (clock_now_ns() - since_ns) / CLOCK_NS_PER_MS;
  print_message("%llu ms\n", (unsigned long long)took_ms);
  assert_int_equal(status, 0);
  assert_true(took_ms < 1000);
  expect_way(STRANGER, ours.daemon.tcp_url, "tcp",
             "this user may not connect to the server's local handshake");
  close(ready[0]), close(ready[1]);
}

/* ---------------------------------------------------------------- a user namespace */

static bool enter_user_namespace(void) {
  static const char map[] = "0 0 1"; /* root alone: all others are reported as 65534 */
  if (unshare(CLONE_NEWUSER) != 0) {
    return false;
  }
  int fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
  bool is_mapped = fd >= 0 && write(fd, map, strlen(map)) == (ssize_t)strlen(map);
  return is_mapped && close(fd) == 0;
}

static bool has_user_namespaces(void) {
  int status;
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    _exit(enter_user_namespace() ? 0 : 1);
  }
  return waitpid(child, &status, 0) == child && status == 0;
}

static void become_root_of_a_namespace(void) {
  if (!enter_user_namespace()) {
    _exit(1);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void test_users_that_a_namespace_does_not_map_are_nobody(void **state) {
  static const char unknown[] =
      "this server does not know who you are. Come over tls+tcp:// with a key (without client_ca "
      "the server asks for no certificate), or ask for [user anonymous]";
  const char *const extra[] = {"--config", ours.file, NULL};
  if (!has_user_namespaces()) {
    print_message("no user namespaces here\n");
    skip();
  }
  snprintf(ours.file, sizeof ours.file, "/tmp/holdfast-users-%ld.conf", (long)getpid());
  configure("[user web]\nuid = 65534\nrights = :rwc\n");
  assert_int_equal(start_with(become_root_of_a_namespace, extra), 0);
  assert_int_equal(chmod(theirs.daemon.dir, 0711), 0);
  assert_int_equal(chmod(theirs.daemon.ipc_url + strlen("ipc://"), 0666), 0);
  expect_refused(STRANGER, theirs.daemon.tcp_url, unknown);
  expect_refused(STRANGER, theirs.daemon.ipc_url, unknown);
  expect_refused(NOBODY, theirs.daemon.tcp_url, unknown);
  expect_way(0, theirs.daemon.tcp_url, SHARED, "");
  assert_int_equal(stop_theirs(state), 0);
  assert_int_equal(unlink(ours.file), 0);
}

/* The user nobody has to be able to run what was built. */
static bool has_users(void) {
  int status = 1;
  const char *program = getenv("HOLDFASTD");
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    become(NOBODY);
    _exit(access(program != NULL ? program : HOLDFASTD, X_OK) == 0 ? 0 : 1);
  }
  return waitpid(child, &status, 0) == child && status == 0;
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, start_theirs, stop_theirs)

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      SCENE(test_users_one_user_shares_memory),
      SCENE(test_users_only_the_servers_own_and_root_are_admitted),
      SCENE(test_users_root_goes_to_no_other_users_server),
      cmocka_unit_test_setup_teardown(test_users_another_goes_to_no_other_users_server,
                                      start_theirs_admitting, stop_theirs),
      cmocka_unit_test(test_users_another_may_not_go_to_the_local_handshake),
      cmocka_unit_test_setup_teardown(test_users_that_are_gone_end_within_a_second, start_ours,
                                      stop_ours),
      cmocka_unit_test(test_users_that_a_namespace_does_not_map_are_nobody),
      SCENE(test_users_root_is_refused_at_the_local_handshake),
  };
  if (geteuid() != 0 || !has_users()) {
    printf("skipped: only root has processes of several users, and they must reach the server\n");
    return SKIPPED;
  }
  return world_main(argc, argv, "users", tests, sizeof tests / sizeof *tests);
}
