/* What waits to be sent: in order, whole, in parts of bounded size, and counted. */
#include "server/dispatch/outbox.h"

#include "tests/support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VERSION "1"
#define MEMORY_BYTES ((size_t)8 << 30)
#define ROUNDS 60

static struct random random_state;

static struct reply *reply_of_bytes(uint64_t sequence, size_t len) {
  struct reply *reply = reply_new(sequence);
  uint8_t *content = malloc(len + 1);
  if (reply == NULL || content == NULL) {
    abort();
  }
  memset(content, (int)sequence, len);
  reply->shape = REPLY_VALUE;
  assert_true(value_bytes(bytes_of(content, len), &reply->value));
  free(content);
  return reply;
}

static struct reply *reply_of_items(uint64_t sequence, enum reply_shape shape, size_t count) {
  struct reply *reply = reply_new(sequence);
  assert_non_null(reply);
  reply->shape = shape;
  reply->values = calloc(count + 1, sizeof *reply->values);
  assert_non_null(reply->values);
  reply->values_count = count;
  for (size_t i = 0; i < count; i++) {
    reply->values[i] = value_int((int64_t)(i * i));
  }
  reply->cursor = reply->length = shape == REPLY_PAGE ? count : 0;
  return reply;
}

static struct reply *reply_of_outcomes(uint64_t sequence, size_t count, size_t len) {
  struct reply *reply = reply_new(sequence);
  assert_non_null(reply);
  reply->shape = REPLY_RESULTS;
  reply->outcomes = calloc(count, sizeof(struct reply *));
  assert_non_null(reply->outcomes);
  reply->outcomes_count = count;
  for (size_t i = 0; i < count; i++) {
    reply->outcomes[i] =
        i % 2 == 0 ? reply_of_bytes(i, len) : reply_of_items(i, REPLY_ENTRIES, 2 * (len / 8));
  }
  return reply;
}

static struct reply *some_reply(uint64_t sequence) {
  size_t size = random_below(&random_state, 4) == 0 ? 3u << 20 : 20000;
  size_t len = random_below(&random_state, (uint32_t)size);
  switch (random_below(&random_state, 5)) {
    case 0:
      return reply_of_items(sequence, REPLY_VALUES, len / 4);
    case 1:
      return reply_of_items(sequence, REPLY_ENTRIES, len / 4 & ~(size_t)1);
    case 2:
      return reply_of_items(sequence, REPLY_PAGE, len / 4 & ~(size_t)1);
    case 3:
      return reply_of_outcomes(sequence, 1 + random_below(&random_state, 8), len / 8);
    default:
      return reply_of_bytes(sequence, len);
  }
}

/* What the peer ought to get. */
struct expected {
  uint8_t *bytes;
  size_t len;
};

static void expect(struct expected *expected, const struct sp_route *route,
                   const struct reply *reply) {
  size_t body_len = encode_reply_len(reply, VERSION);
  size_t more = SP_PREFIX_BYTES_MAX + route->len + body_len;
  expected->bytes = realloc(expected->bytes, expected->len + more);
  assert_non_null(expected->bytes);
  uint8_t *at = expected->bytes + expected->len;
  size_t prefix_len = sp_prefix_write(SP_TCP, at, route->len + body_len);
  memcpy(at + prefix_len, route->words, route->len);
  encode_reply(reply, VERSION, at + prefix_len + route->len);
  expected->len += prefix_len + route->len + body_len;
}

/* The part of a large reply that is being sent. */
static struct buffer part;

static void start(struct outbox *outbox, struct budget *budget) {
  budget_init(budget, MEMORY_BYTES);
  outbox_init(outbox, budget, VERSION, 1, SP_TCP);
  buffer_init(&part, &budget->buffers);
}

static void encode_large(struct outbox *outbox) {
  const struct outbox_item *large = part.len == 0 ? outbox_first_large(outbox) : NULL;
  if (large != NULL) {
    struct outbox_item item = *large;
    assert_true(outbox_encode_part(outbox, &item, &part));
    outbox_end_part(outbox, &item, part.len);
  }
}

/* What leaves next, up to so many bytes. */
struct next {
  struct buffer *buffer;
  size_t len, lent;
};

static struct next next_of(struct outbox *outbox, size_t count) {
  struct next next = {.buffer = part.len > 0 ? &part : &outbox->encoded};
  next.len = next.buffer->len < count ? next.buffer->len : count;
  bool is_lent_next = next.buffer == &outbox->encoded || outbox->encoded.len == 0;
  next.lent = outbox->lent.len < count - next.len ? outbox->lent.len : count - next.len;
  next.lent = is_lent_next ? next.lent : 0;
  return next;
}

/* Takes up to that many bytes, as a transport does: what is encoded, then what is lent. Answers how
 * many. */
static size_t drain(struct outbox *outbox, size_t count) {
  struct next next = next_of(outbox, count);
  buffer_consume(next.buffer, next.len);
  outbox->under_way = part.len;
  outbox_sent(outbox, next.len + next.lent, next.lent);
  assert_true(outbox_fill(outbox));
  encode_large(outbox);
  return next.len + next.lent;
}

static void take(struct outbox *outbox, const struct expected *expected, size_t *taken,
                 size_t count) {
  struct next next = next_of(outbox, count);
  assert_true(*taken + next.len + next.lent <= expected->len);
  assert_true(outbox_encoded_bytes(outbox) <= OUTBOX_BYTES_MAX + OUTBOX_WHOLE_BYTES);
  if (next.len > 0) {
    assert_memory_equal(buffer_first(next.buffer), expected->bytes + *taken, next.len);
  }
  if (next.lent > 0) {
    assert_memory_equal(outbox->lent.data, expected->bytes + *taken + next.len, next.lent);
  }
  *taken += drain(outbox, count);
}

/* Any replies, taken in pieces of any size, are the bytes they would be one by one. */
static void test_outbox_parts_are_the_bytes_of_the_whole(void **state) {
  struct budget budget;
  struct outbox outbox;
  struct expected expected = {0};
  size_t taken = 0;
  (void)state;
  start(&outbox, &budget);
  for (uint64_t sequence = 1; sequence <= ROUNDS; sequence++) {
    struct sp_route route = sp_route_of((uint32_t)sequence);
    struct reply *reply = some_reply(sequence);
    expect(&expected, &route, reply);
    assert_true(outbox_add(&outbox, &route, reply));
    for (uint32_t i = random_below(&random_state, 6); i > 0; i--) {
      take(&outbox, &expected, &taken, 1 + random_below(&random_state, 300000));
    }
  }
  while (!outbox_is_empty(&outbox)) {
    take(&outbox, &expected, &taken, 1 + random_below(&random_state, 300000));
  }
  assert_int_equal(taken, expected.len);
  assert_int_equal(atomic_load(&budget.waiting_bytes), 0);
  outbox_deinit(&outbox);
  buffer_deinit(&part);
  assert_int_equal(atomic_load(&budget.buffers.used_bytes), 0);
  budget_deinit(&budget);
  free(expected.bytes);
}

/* However much waits, few of it are bytes; and it is full until most has been read. */
static void test_outbox_that_is_not_read_is_full_and_small(void **state) {
  const size_t len = 5000000;
  struct budget budget;
  struct outbox outbox;
  struct sp_route route = sp_route_of(1);
  (void)state;
  start(&outbox, &budget);
  assert_false(outbox_is_full(&outbox));
  for (uint64_t i = 1; i <= 16; i++) {
    assert_true(outbox_add(&outbox, &route, reply_of_bytes(i, len)));
    assert_true(outbox_is_full(&outbox));
  }
  assert_true(atomic_load(&budget.buffers.used_bytes) <= 2 * OUTBOX_BYTES_MAX);
  assert_true(atomic_load(&budget.waiting_bytes) >= 16 * len);
  size_t taken = 0;
  while (!outbox_has_room(&outbox)) {
    size_t drained = drain(&outbox, SIZE_MAX);
    assert_true(drained > 0);
    taken += drained;
  }
  assert_true(taken > 15 * len);
  outbox_deinit(&outbox);
  buffer_deinit(&part);
  assert_int_equal(atomic_load(&budget.waiting_bytes), 0);
  assert_int_equal(atomic_load(&budget.buffers.used_bytes), 0);
  budget_deinit(&budget);
}

/* Adding a large reply, or sending the bytes before it, does not encode it. */
static void test_outbox_leaves_large_replies_to_others(void **state) {
  struct budget budget;
  struct outbox outbox;
  struct sp_route route = sp_route_of(1);
  (void)state;
  start(&outbox, &budget);
  assert_true(outbox_add(&outbox, &route, reply_of_items(1, REPLY_VALUES, 7000)));
  size_t small_len = outbox.encoded.len;
  assert_true(small_len > 0 && outbox.count == 0);
  assert_true(outbox_add(&outbox, &route, reply_of_items(2, REPLY_VALUES, 200000)));
  assert_true(outbox_add(&outbox, &route, reply_of_bytes(3, 10)));
  assert_true(outbox_fill(&outbox));
  assert_null(outbox_first_large(&outbox)); /* there is something else to send */
  assert_int_equal(outbox.encoded.len, small_len);
  buffer_consume(&outbox.encoded, small_len);
  outbox_sent(&outbox, small_len, 0);
  assert_true(outbox_fill(&outbox));
  assert_int_equal(outbox.encoded.len, 0);
  assert_non_null(outbox_first_large(&outbox));
  outbox_deinit(&outbox);
  buffer_deinit(&part);
  assert_int_equal(atomic_load(&budget.waiting_bytes), 0);
  budget_deinit(&budget);
}

/* With the memory for large buffers used up, replies leave through a small one. */
static void test_outbox_without_memory_goes_on_with_little(void **state) {
  struct budget budget;
  struct outbox outbox;
  struct buffer hog;
  struct expected expected = {0};
  struct sp_route route = sp_route_of(7);
  size_t taken = 0;
  (void)state;
  start(&outbox, &budget);
  buffer_init(&hog, &budget.buffers);
  assert_true(buffer_reserve(&hog, budget.buffers.bytes_max - budget.buffers.small_bytes));
  struct reply *replies[] = {reply_of_bytes(3, 1000000), reply_of_items(4, REPLY_VALUES, 200000)};
  for (size_t i = 0; i < 2; i++) {
    expect(&expected, &route, replies[i]);
    assert_true(outbox_add(&outbox, &route, replies[i]));
  }
  while (!outbox_is_empty(&outbox)) {
    assert_true(outbox.encoded.capacity <= BUFFER_SMALL_BYTES);
    assert_true(part.capacity <= BUFFER_SMALL_BYTES);
    take(&outbox, &expected, &taken, SIZE_MAX);
  }
  assert_int_equal(taken, expected.len);
  outbox_deinit(&outbox);
  buffer_deinit(&part);
  buffer_deinit(&hog);
  budget_deinit(&budget);
  free(expected.bytes);
}

/* ------------------------------------------------------------------------------------- budget */

static const uint64_t second_ns = 1000 * CLOCK_NS_PER_MS;

static void test_budget_most_for_longest_goes_first(void **state) {
  struct budget budget;
  struct budget_account old = {.connection = 1}, large = {.connection = 2},
                        moving = {.connection = 3}, small = {.connection = 4};
  (void)state;
  budget_init(&budget, MEMORY_BYTES);
  assert_int_equal(budget_choose(&budget, second_ns), 0);
  budget_update(&budget, &small, HF_BUDGET_BYTES_MIN, 0);
  assert_false(small.is_listed);
  budget_update_large(&budget, &old, 1 << 20, 0, second_ns);
  budget_update_large(&budget, &moving, 16 << 20, 0, second_ns);
  budget_update_large(&budget, &large, 8 << 20, 0, 20 * second_ns);
  assert_int_equal(budget_choose(&budget, 2 * second_ns), 0); /* all of them are young */
  for (uint64_t at = 2; at <= 30; at++) {
    budget_update_large(&budget, &moving, 16 << 20, 16 << 20, at * second_ns);
  }
  /* 29 MiB seconds against 80; and no other until the chosen one is removed. */
  assert_int_equal(budget_choose(&budget, 30 * second_ns), 2);
  assert_int_equal(budget_choose(&budget, 31 * second_ns), 0);
  budget_forget(&budget, &large);
  assert_int_equal(budget_choose(&budget, 31 * second_ns), 1);
  budget_forget(&budget, &old);
  budget_forget(&budget, &moving);
  assert_int_equal(budget_choose(&budget, 99 * second_ns), 0);
  budget_deinit(&budget);
}

static void test_budget_is_a_part_of_the_memory(void **state) {
  struct budget budget;
  (void)state;
  budget_init(&budget, 0);
  assert_int_equal(budget.buffers.bytes_max, HF_BUFFER_BYTES_MIN);
  budget_deinit(&budget);
  budget_init(&budget, SIZE_MAX);
  assert_int_equal(budget.buffers.bytes_max, HF_BUFFER_BYTES_MAX);
  assert_false(budget_is_exceeded(&budget));
  budget_wait(&budget, HF_BUFFER_BYTES_MAX + 1);
  assert_true(budget_is_exceeded(&budget));
  budget_end_wait(&budget, HF_BUFFER_BYTES_MAX + 1);
  assert_false(budget_is_exceeded(&budget));
  budget_deinit(&budget);
}

int main(int argc, char **argv) {
  random_state.state = random_seed(argc, argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_outbox_parts_are_the_bytes_of_the_whole),
      cmocka_unit_test(test_outbox_that_is_not_read_is_full_and_small),
      cmocka_unit_test(test_outbox_leaves_large_replies_to_others),
      cmocka_unit_test(test_outbox_without_memory_goes_on_with_little),
      cmocka_unit_test(test_budget_most_for_longest_goes_first),
      cmocka_unit_test(test_budget_is_a_part_of_the_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
