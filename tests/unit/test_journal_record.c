/* Commands as bytes: what is written is what is read, and any damage is found. */
#include "server/engine/job.h"
#include "server/engine/operation.h"
#include "server/journal/checksum.h"
#include "server/journal/record_reader.h"
#include "server/journal/record_writer.h"
#include "tests/support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define KINDS (COMMAND_HEARD + 1)
#define TEXT_BYTES 300
#define USERS 4
#define RIGHTS 5

static uint64_t seed;

/* A command of random content, with all that it points to. */
struct made {
  struct command command;
  struct engine_request request;
  struct heard heard;
  struct job job;
  struct users_settings users;
  struct user_settings rows[USERS];
  struct user_right rights[USERS][RIGHTS];
  uint8_t text[TEXT_BYTES];
};

static const struct operation opens = {.flags = OPERATION_OPENS}, other = {.flags = 0};

/* Numbers of all lengths. */
static uint64_t make_number(struct random *random) {
  uint64_t number = random_next(random);
  return number >> random_below(random, 64);
}

static struct bytes make_bytes(struct random *random, struct made *made) {
  size_t from = random_below(random, TEXT_BYTES);
  return bytes_of(made->text + from, random_below(random, TEXT_BYTES - from + 1));
}

static void make_request(struct random *random, struct made *made) {
  struct engine_request *request = &made->request;
  request->connection = make_number(random);
  request->route.len = (uint8_t)(4 * random_below(random, HF_HOPS_MAX + 2));
  for (size_t i = 0; i < request->route.len; i++) {
    request->route.words[i] = (uint8_t)random_next(random);
  }
  request->body = make_bytes(random, made);
  const struct operation *operations[] = {NULL, &other, &opens};
  request->operation = operations[random_below(random, 3)];
  if (request->operation == &opens) {
    for (size_t i = 0; i < sizeof request->entropy; i++) {
      request->entropy[i] = (uint8_t)random_next(random);
    }
  }
  int processes[] = {0, PROCESS_HIDDEN, PROCESS_ELSEWHERE, 17, INT32_MAX, INT32_MIN};
  request->process = processes[random_below(random, 6)];
  made->command.request = request;
}

static void make_users(struct random *random, struct made *made) {
  made->users = (struct users_settings){made->rows, random_below(random, USERS + 1)};
  for (size_t i = 0; i < made->users.count; i++) {
    made->rows[i] = (struct user_settings){
        .name = make_bytes(random, made),
        .is_admin = random_below(random, 2),
        .rights = made->rights[i],
        .rights_count = random_below(random, RIGHTS + 1),
        .limits = {make_number(random), make_number(random), make_number(random),
                   make_number(random), make_number(random), make_number(random)},
    };
    for (size_t j = 0; j < RIGHTS; j++) {
      made->rights[i][j] =
          (struct user_right){make_bytes(random, made), (uint8_t)random_next(random)};
    }
  }
  made->command.users = &made->users;
}

static void make_content(struct random *random, struct made *made) {
  struct command *command = &made->command;
  switch (command->kind) {
    case COMMAND_REQUEST:
      make_request(random, made);
      break;
    case COMMAND_CONNECT:
      command->address = make_number(random);
      command->user = make_bytes(random, made);
      command->one_way = random_below(random, 2);
      command->connection = make_number(random);
      break;
    case COMMAND_DISCONNECT:
      command->connection = make_number(random);
      break;
    case COMMAND_PROCESS_ENDED:
      command->session = make_number(random);
      break;
    case COMMAND_JOB_DONE:
      made->job.number = make_number(random);
      made->job.reason = (hf_reason)random_below(random, HF_REASON_COUNT);
      command->job = &made->job;
      break;
    case COMMAND_FREED:
      command->freed_bytes = make_number(random);
      break;
    case COMMAND_CROWDED:
      command->is_crowded = random_below(random, 2);
      break;
    case COMMAND_USERS:
      make_users(random, made);
      break;
    case COMMAND_RESTART:
      command->memory_bytes_max = make_number(random);
      break;
    case COMMAND_DISK:
      command->is_full = random_below(random, 2);
      break;
    case COMMAND_HEARD:
      made->heard = (struct heard){make_number(random), make_number(random), make_number(random),
                                   make_number(random), make_number(random)};
      command->heard = &made->heard;
      break;
    case COMMAND_TICK:
    case COMMAND_DRAIN:
      break;
  }
}

/* Several commands have the same time, and some one before the last one's. */
static void make(struct random *random, struct made *made, enum command_kind kind, uint64_t *now) {
  *made = (struct made){.command = {.kind = kind}};
  for (size_t i = 0; i < TEXT_BYTES; i++) {
    made->text[i] = (uint8_t)random_next(random);
  }
  make_content(random, made);
  *now += random_below(random, 2) ? make_number(random) >> 20 : 0;
  made->command.now_ns = *now;
}

static void check_users(const struct users_settings *read, const struct users_settings *made) {
  assert_int_equal(read->count, made->count);
  for (size_t i = 0; i < made->count; i++) {
    const struct user_settings *a = &read->users[i], *b = &made->users[i];
    assert_true(bytes_equal(a->name, b->name));
    assert_int_equal(a->is_admin, b->is_admin);
    assert_memory_equal(&a->limits, &b->limits, sizeof a->limits);
    assert_int_equal(a->rights_count, b->rights_count);
    for (size_t j = 0; j < b->rights_count; j++) {
      assert_true(bytes_equal(a->rights[j].prefix, b->rights[j].prefix));
      assert_int_equal(a->rights[j].access, b->rights[j].access);
    }
  }
}

static void check_request(const struct engine_request *read, const struct engine_request *made) {
  assert_int_equal(read->connection, made->connection);
  assert_int_equal(read->route.len, made->route.len);
  assert_memory_equal(read->route.words, made->route.words, sizeof made->route.words);
  assert_true(bytes_equal(read->body, made->body));
  assert_memory_equal(read->entropy, made->entropy, sizeof made->entropy);
  assert_int_equal(read->process, made->process);
  assert_null(read->message);
  assert_null(read->operation);
}

static void check(const struct record *record, const struct made *made) {
  const struct command *read = &record->command, *command = &made->command;
  assert_false(record->is_genesis);
  assert_int_equal(read->kind, command->kind);
  assert_int_equal(read->now_ns, command->now_ns);
  switch (command->kind) {
    case COMMAND_REQUEST:
      assert_ptr_equal(read->request, &record->request);
      check_request(read->request, command->request);
      break;
    case COMMAND_CONNECT:
      assert_int_equal(read->address, command->address);
      assert_true(bytes_equal(read->user, command->user));
      assert_int_equal(read->one_way, command->one_way);
      assert_int_equal(read->connection, command->connection);
      break;
    case COMMAND_DISCONNECT:
      assert_int_equal(read->connection, command->connection);
      break;
    case COMMAND_PROCESS_ENDED:
      assert_int_equal(read->session, command->session);
      break;
    case COMMAND_JOB_DONE:
      assert_int_equal(record->job_number, made->job.number);
      assert_int_equal(record->job_reason, made->job.reason);
      break;
    case COMMAND_FREED:
      assert_int_equal(read->freed_bytes, command->freed_bytes);
      break;
    case COMMAND_CROWDED:
      assert_int_equal(read->is_crowded, command->is_crowded);
      break;
    case COMMAND_USERS:
      check_users(read->users, command->users);
      break;
    case COMMAND_RESTART:
      assert_int_equal(read->memory_bytes_max, command->memory_bytes_max);
      break;
    case COMMAND_DISK:
      assert_int_equal(read->is_full, command->is_full);
      break;
    case COMMAND_HEARD:
      assert_memory_equal(read->heard, command->heard, sizeof *read->heard);
      break;
    case COMMAND_TICK:
    case COMMAND_DRAIN:
      break;
  }
}

static struct batch_reader *open_batch(struct bytes batch, const struct batch_header *header,
                                       uint64_t commands) {
  struct batch_header read;
  const char *why;
  struct batch_reader *reader = record_open(batch, &read, &why);
  assert_non_null(reader);
  assert_int_equal(read.engine, header->engine);
  assert_int_equal(read.epoch, header->epoch);
  assert_int_equal(read.index, header->index);
  assert_int_equal(read.now_ns, header->now_ns);
  assert_int_equal(read.digest, header->digest);
  assert_int_equal(read.memory, header->memory);
  assert_int_equal(read.commands, commands);
  return reader;
}

static void test_journal_record_round_trip(void **state) {
  (void)state;
  enum { BATCHES = 400, COUNT_MAX = 60 };
  struct random random = {seed};
  struct batch_writer writer = {0};
  static struct made made[COUNT_MAX];
  uint64_t commands = 0;
  for (int i = 0; i < BATCHES; i++) {
    struct batch_header header = {.engine = make_number(&random),
                                  .epoch = make_number(&random),
                                  .index = make_number(&random),
                                  .now_ns = make_number(&random) >> 1,
                                  .digest = make_number(&random),
                                  .memory = make_number(&random)};
    uint64_t now = header.now_ns;
    size_t count = random_below(&random, COUNT_MAX + 1);
    assert_true(record_begin(&writer, &header));
    for (size_t j = 0; j < count; j++) {
      enum command_kind kind = (enum command_kind)((commands + j) % KINDS);
      make(&random, &made[j], kind, &now);
      assert_true(record_append(&writer, &made[j].command, bytes_of("", 0)));
    }
    struct bytes batch;
    assert_true(record_end(&writer, &batch));
    struct batch_reader *reader = open_batch(batch, &header, count);
    struct record record;
    const char *why;
    for (size_t j = 0; j < count; j++) {
      assert_true(record_next(reader, &record, &why));
      assert_int_equal(record.command.index, header.index);
      check(&record, &made[j]);
    }
    assert_false(record_next(reader, &record, &why));
    assert_null(why);
    record_close(reader);
    commands += count;
  }
  printf("%llu commands in %d batches\n", (unsigned long long)commands, BATCHES);
  record_deinit(&writer);
}

static void test_journal_record_genesis(void **state) {
  (void)state;
  struct batch_writer writer = {0};
  struct batch_header header = {.epoch = 1, .index = 1, .now_ns = 99};
  struct genesis genesis = {{1, 2, 3}, 1ull << 40, 77, 99, 8ull << 30};
  struct command tick = {.kind = COMMAND_TICK, .now_ns = 100};
  struct bytes batch;
  assert_true(record_begin(&writer, &header));
  assert_true(record_append_genesis(&writer, &genesis));
  assert_true(record_append(&writer, &tick, bytes_of("", 0)));
  assert_true(record_end(&writer, &batch));
  struct batch_reader *reader = open_batch(batch, &header, 2);
  struct record record;
  const char *why;
  assert_true(record_next(reader, &record, &why));
  assert_true(record.is_genesis);
  assert_memory_equal(&record.genesis, &genesis, sizeof genesis);
  assert_true(record_next(reader, &record, &why));
  assert_false(record.is_genesis);
  assert_int_equal(record.command.now_ns, 100);
  assert_false(record_next(reader, &record, &why));
  record_close(reader);
  record_deinit(&writer);
}

/* A time before the last one's counts as that: as in the engine. */
static void test_journal_record_time_that_goes_back(void **state) {
  (void)state;
  struct batch_writer writer = {0};
  struct batch_header header = {.index = 3, .now_ns = 50};
  uint64_t times[] = {40, 60, 55, 60, 61}, expected[] = {50, 60, 60, 60, 61};
  assert_true(record_begin(&writer, &header));
  for (size_t i = 0; i < 5; i++) {
    struct command tick = {.kind = COMMAND_TICK, .now_ns = times[i]};
    assert_true(record_append(&writer, &tick, bytes_of("", 0)));
  }
  struct bytes batch;
  assert_true(record_end(&writer, &batch));
  struct batch_reader *reader = open_batch(batch, &header, 5);
  struct record record;
  const char *why;
  for (size_t i = 0; i < 5; i++) {
    assert_true(record_next(reader, &record, &why));
    assert_int_equal(record.command.now_ns, expected[i]);
  }
  record_close(reader);
  record_deinit(&writer);
}

/* A batch with a command of each kind. The copy is the test's. */
static struct bytes make_small_batch(struct random *random, struct batch_writer *writer) {
  struct batch_header header = {1, 2, 17, 1000, 0x1234, 0x5678, 0};
  uint64_t now = header.now_ns;
  assert_true(record_begin(writer, &header));
  for (int kind = 0; kind < KINDS; kind++) {
    struct made made;
    make(random, &made, (enum command_kind)kind, &now);
    assert_true(record_append(writer, &made.command, bytes_of("", 0)));
  }
  struct bytes batch;
  assert_true(record_end(writer, &batch));
  return batch;
}

/* The copy has exactly its length, so that a read beyond its end is seen by the sanitizer. */
static void must_be_refused(const uint8_t *data, size_t len) {
  uint8_t *copy = malloc(len + 1);
  assert_non_null(copy);
  uint8_t *end_aligned = copy + 1;
  memcpy(end_aligned, data, len);
  struct batch_header header;
  const char *why = NULL;
  assert_null(record_open(bytes_of(end_aligned, len), &header, &why));
  assert_non_null(why);
  free(copy);
}

static void test_journal_record_every_flipped_bit_is_found(void **state) {
  (void)state;
  struct random random = {seed};
  struct batch_writer writer = {0};
  struct bytes batch = make_small_batch(&random, &writer);
  uint8_t *data = (uint8_t *)batch.data;
  for (size_t bit = 0; bit < batch.len * 8; bit++) {
    data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    must_be_refused(data, batch.len);
    data[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  printf("%zu bits\n", batch.len * 8);
  record_deinit(&writer);
}

static void test_journal_record_cut_anywhere_is_refused(void **state) {
  (void)state;
  struct random random = {seed};
  struct batch_writer writer = {0};
  struct bytes batch = make_small_batch(&random, &writer);
  for (size_t len = 0; len < batch.len; len++) {
    must_be_refused(batch.data, len);
  }
  record_deinit(&writer);
}

/* Batches whose checksums are right and whose content is not: from a program that is not this one. They are read
 * without harm. */
static void test_journal_record_wrong_content_does_no_harm(void **state) {
  (void)state;
  enum { ROUNDS = 20000 };
  struct random random = {seed};
  struct batch_writer writer = {0};
  int refused = 0;
  for (int i = 0; i < ROUNDS; i++) {
    make_small_batch(&random, &writer);
    for (uint64_t flips = random_below(&random, 4) + 1; flips > 0; flips--) {
      size_t room = 8 * 10; /* of the header, which record_end writes */
      size_t at = room + random_below(&random, writer.bytes.len - room);
      writer.bytes.data[at] ^= (uint8_t)(1u << random_below(&random, 8));
    }
    writer.whole = bytes_of(NULL, 0); /* for another checksum */
    struct bytes batch;
    assert_true(record_end(&writer, &batch));
    struct batch_header header;
    const char *why;
    struct batch_reader *reader = record_open(batch, &header, &why);
    assert_non_null(reader);
    struct record record;
    uint64_t count = 0;
    while (record_next(reader, &record, &why)) {
      count++;
    }
    assert_true(why || count == header.commands);
    refused += why != NULL;
    record_close(reader);
  }
  assert_true(refused > 0);
  printf("%d of %d refused\n", refused, ROUNDS);
  record_deinit(&writer);
}

static void test_journal_record_of_a_newer_version_is_refused_by_name(void **state) {
  (void)state;
  struct batch_writer writer = {0};
  struct batch_header header = {.index = 1};
  struct bytes batch;
  assert_true(record_begin(&writer, &header));
  assert_true(record_end(&writer, &batch));
  uint8_t copy[64];
  assert_true(batch.len <= sizeof copy);
  memcpy(copy, batch.data, batch.len);
  copy[0] = RECORD_VERSION + 1;
  size_t content = batch.len - CHECKSUM_BYTES;
  checksum_write(copy + content, bytes_of(copy, content), 0);
  const char *why;
  assert_null(record_open(bytes_of(copy, batch.len), &header, &why));
  assert_non_null(strstr(why, "newer format"));
  record_deinit(&writer);
}

int main(int argc, char **argv) {
  seed = random_seed(argc, argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_journal_record_round_trip),
      cmocka_unit_test(test_journal_record_genesis),
      cmocka_unit_test(test_journal_record_time_that_goes_back),
      cmocka_unit_test(test_journal_record_every_flipped_bit_is_found),
      cmocka_unit_test(test_journal_record_cut_anywhere_is_refused),
      cmocka_unit_test(test_journal_record_wrong_content_does_no_harm),
      cmocka_unit_test(test_journal_record_of_a_newer_version_is_refused_by_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
