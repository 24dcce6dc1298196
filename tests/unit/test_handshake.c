/* The client's side of the local handshake: a server of another version, or none at all, is refused
 * with a sentence, whatever it shares. */
#include "client/src/transport/rings.h"
#include "proto/cell_layout.h"
#include "proto/limits.h"
#include "proto/local_handshake.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

#define RING_BYTES ((size_t)64 << 10)
#define OTHER_VERSION (UINT64_C(1) << 56)

/* A sealed segment with that header. */
static int make_memory(const struct shared_header *header, size_t bytes) {
  int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
  assert_int_equal(write(fd, header, sizeof *header), sizeof *header);
  assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
  return fd;
}

static struct shared_header right_header(enum shared_content content, size_t bytes) {
  struct shared_header header;
  shared_header_write(&header, content, bytes);
  return header;
}

static void send_answer(int server, const struct handshake_answer *answer, int memory,
                        int doorbell) {
  const int descriptors[] = {memory, doorbell};
  struct iovec part = {(void *)answer, sizeof *answer};
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof descriptors)];
  } control = {0};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptors);
  memcpy(CMSG_DATA(header), descriptors, sizeof descriptors);
  assert_int_equal(sendmsg(server, &message, 0), sizeof *answer);
}

/* What a client says of a server that answers so. NULL: it has rings. */
static const char *shake(const struct handshake_answer *answer,
                         const struct shared_header *header) {
  int handshakes[2], doorbell = eventfd(0, EFD_CLOEXEC);
  int memory = make_memory(header, segment_bytes(RING_BYTES));
  const char *why = NULL;
  assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, handshakes), 0);
  send_answer(handshakes[1], answer, memory, doorbell);
  struct rings *rings = NULL;
  assert_int_equal(rings_begin(handshakes[0], SP_IPC, SP_REQ, &why), 0);
  int error = rings_step(handshakes[0], SP_REQ, &rings, &why);
  assert_int_equal(error == 0, why == NULL);
  if (why == NULL) {
    rings_free(rings);
  }
  close(memory);
  close(doorbell);
  close(handshakes[0]);
  close(handshakes[1]);
  return why;
}

static void expect_why(const char *why, const char *word) {
  assert_non_null(why);
  assert_non_null(strstr(why, word));
}

static struct handshake_answer right_answer(void) {
  return (struct handshake_answer){
      .magic = HANDSHAKE_MAGIC, .ring_bytes = RING_BYTES, .status = HANDSHAKE_WELCOME};
}

static void test_handshake_with_the_same_version_is_rings(void **state) {
  (void)state;
  const struct handshake_answer answer = right_answer();
  const struct shared_header header = right_header(SHARED_RINGS, segment_bytes(RING_BYTES));
  assert_null(shake(&answer, &header));
}

static void test_handshake_answer_of_another_version_is_refused(void **state) {
  (void)state;
  struct handshake_answer answer = right_answer();
  const struct shared_header header = right_header(SHARED_RINGS, segment_bytes(RING_BYTES));
  answer.magic = HANDSHAKE_MAGIC ^ OTHER_VERSION;
  expect_why(shake(&answer, &header), "another version of the local handshake");
  answer.magic = HANDSHAKE_MAGIC ^ 1;
  expect_why(shake(&answer, &header), "no holdfastd");
  answer = right_answer();
  answer.status = HANDSHAKE_OTHER_VERSION;
  expect_why(shake(&answer, &header), "another version of the local handshake");
}

static void test_handshake_rings_with_a_wrong_header_are_refused(void **state) {
  (void)state;
  const struct handshake_answer answer = right_answer();
  const struct shared_header right = right_header(SHARED_RINGS, segment_bytes(RING_BYTES));
  struct shared_header header = right;
  header.magic ^= 1;
  expect_why(shake(&answer, &header), "magic");
  header = right;
  header.version++;
  expect_why(shake(&answer, &header), "version");
  header = right;
  header.bytes++;
  expect_why(shake(&answer, &header), "another segment");
  header = right_header(SHARED_CELLS, segment_bytes(RING_BYTES));
  expect_why(shake(&answer, &header), "another segment");
}

static void expect_unmapped(const struct shared_header *header, enum shared_content content,
                            const char *word) {
  const char *why = NULL;
  int memory = make_memory(header, HF_ARENA_BYTES);
  assert_null(rings_map_memory(memory, content, HF_ARENA_BYTES, &why));
  expect_why(why, word);
  close(memory);
}

static void test_handshake_segments_with_a_wrong_header_are_refused(void **state) {
  (void)state;
  static const enum shared_content contents[] = {SHARED_CELLS, SHARED_SERVER_LIFE};
  for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
    const struct shared_header right = right_header(contents[i], HF_ARENA_BYTES);
    struct shared_header header = right;
    const char *why = NULL;
    int memory = make_memory(&right, HF_ARENA_BYTES);
    void *mapped = rings_map_memory(memory, contents[i], HF_ARENA_BYTES, &why);
    assert_non_null(mapped);
    munmap(mapped, HF_ARENA_BYTES);
    close(memory);
    header.magic = 0;
    expect_unmapped(&header, contents[i], "magic");
    header = right;
    header.version++;
    expect_unmapped(&header, contents[i], "version");
    header = right_header(SHARED_RINGS, HF_ARENA_BYTES);
    expect_unmapped(&header, contents[i], "another segment");
  }
}

/* Where no uid is mapped all servers' uids look like one's own. Of this process's namespace nothing has
 * been read yet: the first test. */
static void test_handshake_with_a_uid_that_may_be_anybodys_is_refused(void **state) {
  int status;
  (void)state;
  pid_t child = fork();
  if (child == 0) {
    int handshakes[2];
    const char *why = "";
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, handshakes) != 0 || unshare(CLONE_NEWUSER) != 0) {
      _exit(77);
    }
    int error = rings_begin(handshakes[0], SP_TCP, SP_REQ, &why);
    _exit(error == EPERM && strstr(why, "user namespace") != NULL ? 0 : 1);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
    skip();
  }
  assert_int_equal(status, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_handshake_with_a_uid_that_may_be_anybodys_is_refused),
      cmocka_unit_test(test_handshake_with_the_same_version_is_rings),
      cmocka_unit_test(test_handshake_answer_of_another_version_is_refused),
      cmocka_unit_test(test_handshake_rings_with_a_wrong_header_are_refused),
      cmocka_unit_test(test_handshake_segments_with_a_wrong_header_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
