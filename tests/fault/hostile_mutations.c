/* Random mutations of valid requests: every one is answered or waits, and the server stays.
 *
 * usage: hostile_mutations [SEED [COUNT]]; HOLDFAST_SEED works too
 *
 * The valid ones are the fuzzers' corpus. Requests travel in batches that end with a ping: when its
 * reply is there, the server has got through all of them.
 */
#include "tests/fault/hostile.h"
#include "tests/support/random.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEEDS_MAX 1024
#define BODY_BYTES_MAX 8192
#define MUTATIONS_COUNT_DEFAULT 20000
#define BATCH_COUNT 50
#define BATCHES_PER_CONNECTION 10

static struct body seeds[SEEDS_MAX];
static size_t seeds_count;
static struct random randomness;
static long mutations_count = MUTATIONS_COUNT_DEFAULT;

static void read_seed(const char *path) {
  uint8_t bytes[BODY_BYTES_MAX];
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  size_t len = fread(bytes, 1, sizeof(bytes), file);
  fclose(file);
  if (seeds_count < SEEDS_MAX) {
    body_put(&seeds[seeds_count++], bytes, len);
  }
}

static void read_seeds(const char *dir_path) {
  char path[1024];
  struct dirent *entry;
  DIR *dir = opendir(dir_path);
  assert_non_null(dir);
  while ((entry = readdir(dir)) != NULL) {
    if (entry->d_name[0] != '.') {
      snprintf(path, sizeof(path), "%s/%s", dir_path, entry->d_name);
      read_seed(path);
    }
  }
  closedir(dir);
  assert_true(seeds_count >= 50);
}

static size_t below(size_t bound) {
  return bound == 0 ? 0 : (size_t)random_below(&randomness, bound);
}

/* One change: mostly a flipped bit or an odd byte, else a cut, a doubled stretch, another's tail.
 */
static void mutate(struct body *body) {
  static const uint8_t odd[] = {0x00, 0x7f, 0x80, 0xff, 0x01, 0x0a};
  size_t at = below(body->len);
  const struct body *other = &seeds[below(seeds_count)];
  switch (body->len == 0 ? 9 : below(10)) {
    case 0:
      body->len = at;
      break;
    case 1:
      if (body->len < BODY_BYTES_MAX / 2) {
        uint8_t copy[BODY_BYTES_MAX];
        size_t len = body->len - at;
        memcpy(copy, body->data + at, len);
        body_put(body, copy, len);
      }
      break;
    case 2:
    case 3:
    case 4:
      body->data[at] = odd[below(sizeof(odd))];
      break;
    case 5:
      body_put(body, other->data, other->len);
      break;
    case 9:
      body->len = at;
      body_put(body, other->data, other->len);
      break;
    default:
      body->data[at] ^= (uint8_t)(1u << below(8));
  }
}

/* Some stay as they are: they make the objects that the others meet. */
static struct body new_mutation(void) {
  const struct body *seed = &seeds[below(seeds_count)];
  struct body body = {0};
  body_put(&body, seed->data, seed->len);
  for (size_t changes = below(3); changes > 0; changes--) {
    mutate(&body);
  }
  return body;
}

static void send_mutation(struct attacker *attacker) {
  struct body body = new_mutation();
  assert_true(attacker_send(attacker, body_view(&body)) != 0);
  body_free(&body);
}

/* Receives until the reply to `last`; counts them by status. */
static void receive_through(struct attacker *attacker, uint32_t last, size_t counts[17]) {
  Holdfast__Response *response;
  uint32_t id = 0;
  while (id != last) {
    assert_true(attacker_receive(attacker, 10000, &id, &response));
    assert_in_range(response->status, 0, 16);
    assert_int_not_equal(response->status, HF_INTERNAL);
    counts[response->status]++;
    holdfast__response__free_unpacked(response, NULL);
  }
}

static void test_hostile_mutated_requests_are_answered(void **state) {
  (void)state;
  static const uint8_t ping[] = {0x9a, 0x01, 0x00};
  size_t counts[17] = {0};
  struct attacker attacker;
  long sent = 0;
  while (sent < mutations_count) {
    hostile_open(&attacker);
    for (int batch = 0; batch < BATCHES_PER_CONNECTION; batch++) {
      for (int i = 0; i < BATCH_COUNT; i++) {
        send_mutation(&attacker);
        sent++;
      }
      uint32_t last = attacker_send(&attacker, bytes_of(ping, sizeof(ping)));
      assert_true(last != 0);
      receive_through(&attacker, last, counts);
    }
    (below(2) == 0 ? attacker_reset : attacker_close)(&attacker);
  }
  print_message("  %ld mutations of %zu requests;", sent, seeds_count);
  for (int status = 0; status < 17; status++) {
    if (counts[status] > 0) {
      print_message(" %s %zu", hf_status_name((hf_status)status), counts[status]);
    }
  }
  print_message("\n");
  assert_true(counts[HF_OK] > 0 && counts[HF_INVALID_ARGUMENT] > 0);
}

/* The same without replies: nothing to compare, but other clients may notice nothing. A one-way
 * request that waits blocks its connection, so each connection is left after a while. */
static void test_hostile_mutated_one_way_requests_harm_nobody(void **state) {
  (void)state;
  uint8_t prefix[SP_PREFIX_BYTES_MAX];
  struct attacker attacker;
  for (long sent = 0; sent < mutations_count; sent += BATCH_COUNT) {
    assert_true(attacker_open(&attacker, hostile_server.tcp_port, SP_PUSH));
    for (int i = 0; i < BATCH_COUNT; i++) {
      struct body body = new_mutation();
      size_t prefix_len = sp_prefix_write(SP_TCP, prefix, body.len);
      assert_true(attacker_send_bytes(&attacker, prefix, prefix_len));
      assert_true(attacker_send_bytes(&attacker, body.data, body.len));
      body_free(&body);
    }
    (below(2) == 0 ? attacker_reset : attacker_close)(&attacker);
  }
}

int main(int argc, char **argv) {
  static const char *const arguments[] = {"--memory-max", "64M", NULL};
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(test_hostile_mutated_requests_are_answered, hostile_check),
      cmocka_unit_test_teardown(test_hostile_mutated_one_way_requests_harm_nobody, hostile_check),
  };
  randomness.state = random_seed(argc, argv);
  if (argc > 2) {
    mutations_count = strtol(argv[2], NULL, 10);
  }
  read_seeds(HOLDFAST_CORPUS "/request");
  hostile_arguments = arguments;
  int failed = cmocka_run_group_tests_name("fault.mutations", tests, hostile_start, hostile_stop);
  for (size_t i = 0; i < seeds_count; i++) {
    body_free(&seeds[i]);
  }
  return failed;
}
