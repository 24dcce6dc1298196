/* Transactions that fail, on cells that a local thread writes to meanwhile, at each moment at which the engine looks
 * at the memory: what it has written stays.
 */
#include "tests/support/messages.h"
#include "tests/support/story_cells.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BEFORE 1000
#define ADDED 100
#define STORED 77
#define SOME_THREAD 4711
#define MOMENTS 24 /* more than there are */

static struct story story;
static struct story_cells cells;
static struct cell_host host; /* that of `cells`, but for what is below */

/* ---- the local thread */

static unsigned until; /* it writes; counts down */
static bool stores;    /* else it adds */
static bool has_lock;  /* the cell has one: it writes if it owns it, or the server does not */
static bool has_written;

static int *element(void) {
  return (int *)(cells.header + 1);
}

static void write_locally(void) {
  bool owns = atomic_load(&cells.header->word) == SOME_THREAD;
  bool may_write = !has_lock || owns || atomic_load(&cells.header->remote) == 0;
  if (until == 0 || --until > 0 || !may_write) {
    return;
  }
  *element() = stores ? STORED : *element() + ADDED;
  has_written = true;
}

/* ---- the memory, as the engine asks for it */

static uint64_t load(void *ctx, const struct cell_location *location, const struct cell_type *type,
                     size_t idx) {
  write_locally();
  uint64_t bits = cells.cells.host.load(ctx, location, type, idx);
  write_locally();
  return bits;
}

static void store(void *ctx, const struct cell_location *location, const struct cell_type *type,
                  size_t idx, uint64_t bits) {
  write_locally();
  cells.cells.host.store(ctx, location, type, idx, bits);
  write_locally();
}

static hf_reason add(void *ctx, const struct cell_location *location, const struct cell_type *type,
                     size_t idx, bool is_locked, struct value amount, uint64_t *sum) {
  write_locally();
  hf_reason reason = cells.cells.host.add(ctx, location, type, idx, is_locked, amount, sum);
  write_locally();
  return reason;
}

static hf_reason compare_and_set(void *ctx, const struct cell_location *location,
                                 const struct cell_type *type, size_t idx, bool is_locked,
                                 struct value expected, struct value desired, bool *swapped,
                                 uint64_t *found) {
  write_locally();
  hf_reason reason = cells.cells.host.compare_and_set(ctx, location, type, idx, is_locked, expected,
                                                      desired, swapped, found);
  write_locally();
  return reason;
}

static bool acquire_lock(void *ctx, const struct cell_location *location) {
  write_locally();
  return cells.cells.host.acquire_lock(ctx, location);
}

/* ---- */

static void begin(Holdfast__Kind kind) {
  host = *story_cells_begin(&cells);
  host.load = load;
  host.store = store;
  host.add = add;
  host.compare_and_set = compare_and_set;
  host.acquire_lock = acquire_lock;
  story_begin_sharing(&story, &host, 1u << 20);
  story_connect(&story, 1);
  story_open_session_of(&story, 1, 101);
  ask(&story, 1, 0,
      REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = kind, .name = DATA("c"),
              .typecode = DATA("i"), .length = 1, .map = true));
  story_open(&story, 1, 0, HOLDFAST__KIND__DICT, "d", 0);
  story_forget(&story);
  *element() = BEFORE;
  has_written = false;
}

static void end(void) {
  story_end(&story);
  story_cells_end(&cells);
  assert_int_equal(cells.out, 0);
}

/* At each moment in turn. Answers at how many it has written. */
static unsigned fail_at_each_moment(Holdfast__Kind kind, Holdfast__Request *operation,
                                    bool is_locked_locally, const char *reply) {
  unsigned written = 0;
  for (unsigned moment = 1; moment <= MOMENTS; moment++) {
    begin(kind);
    atomic_store(&cells.header->word, is_locked_locally ? SOME_THREAD : 0);
    until = moment;
    ask(&story, 1, 0,
        REQUEST(TRANSACTION, Transaction, transaction, .n_operations = 2,
                .operations = LIST_OF(
                    Request, operation,
                    IN("d", DICT_DELETE, DictDelete, dict_delete, .key = TEXT("missing")))));
    story_expect(&story, reply);
    int expected = !has_written ? BEFORE : stores ? STORED : BEFORE + ADDED;
    assert_int_equal(*element(), expected);
    written += has_written;
    until = 0;
    atomic_store(&cells.header->word, 0);
    end();
  }
  return written;
}

#define NO_KEY "1 <- #0 NOT_FOUND NO_SUCH_KEY of part 2\n"
#define HELD "1 <- #0 DEADLINE_EXCEEDED LOCK_HELD of part 1\n"

static Holdfast__Request set_value, add_to_value, exchange_value, set_item, add_to_item;

static int make_operations(void **state) {
  (void)state;
  static Holdfast__Value five, before;
  static Holdfast__ValueSet set;
  static Holdfast__ValueAdd add_to;
  static Holdfast__ValueCompareAndSet exchange;
  static Holdfast__ArraySet set_first;
  static Holdfast__ArrayAdd add_to_first;
  five = *INT(5);
  before = *INT(BEFORE);
  set = *MESSAGE(ValueSet, value_set, .value = &five);
  add_to = *MESSAGE(ValueAdd, value_add, .amount = &five);
  exchange =
      *MESSAGE(ValueCompareAndSet, value_compare_and_set, .expected = &before, .desired = &five);
  set_first = *MESSAGE(ArraySet, array_set, .value = &five);
  add_to_first = *MESSAGE(ArrayAdd, array_add, .amount = &five);
#define OPERATION(CASE, message)                                                                \
  (*MESSAGE(Request, request, .target_case = HOLDFAST__REQUEST__TARGET_NAME, .name = DATA("c"), \
            .operation_case = HOLDFAST__REQUEST__OPERATION_##CASE, .ping = (void *)&(message)))
  set_value = OPERATION(VALUE_SET, set);
  add_to_value = OPERATION(VALUE_ADD, add_to);
  exchange_value = OPERATION(VALUE_COMPARE_AND_SET, exchange);
  set_item = OPERATION(ARRAY_SET, set_first);
  add_to_item = OPERATION(ARRAY_ADD, add_to_first);
  return 0;
}

/* It has written at several moments, and not at the last: there are no more than were tried. */
static void expect_kept(Holdfast__Kind kind, Holdfast__Request *operation) {
  assert_in_range(fail_at_each_moment(kind, operation, false, NO_KEY), 4, MOMENTS - 1);
}

static void test_undone_without_a_lock_what_is_added_meanwhile_stays(void **state) {
  (void)state;
  has_lock = stores = false;
  expect_kept(HOLDFAST__KIND__RAW_VALUE, &add_to_value);
  expect_kept(HOLDFAST__KIND__RAW_ARRAY, &add_to_item);
}

static void test_undone_without_a_lock_what_is_stored_meanwhile_stays(void **state) {
  (void)state;
  has_lock = false;
  stores = true;
  expect_kept(HOLDFAST__KIND__RAW_VALUE, &set_value);
  expect_kept(HOLDFAST__KIND__RAW_ARRAY, &set_item);
  expect_kept(HOLDFAST__KIND__RAW_VALUE, &exchange_value);
}

static void test_undone_with_the_lock_what_came_before_stays(void **state) {
  (void)state;
  has_lock = true;
  stores = false;
  const struct {
    Holdfast__Kind kind;
    Holdfast__Request *operation;
  } changes[] = {{HOLDFAST__KIND__VALUE, &set_value},
                 {HOLDFAST__KIND__VALUE, &add_to_value},
                 {HOLDFAST__KIND__ARRAY, &set_item},
                 {HOLDFAST__KIND__ARRAY, &add_to_item}};
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    assert_in_range(fail_at_each_moment(changes[i].kind, changes[i].operation, false, NO_KEY), 0,
                    8);
    assert_in_range(fail_at_each_moment(changes[i].kind, changes[i].operation, true, HELD), 1, 8);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_undone_without_a_lock_what_is_added_meanwhile_stays),
      cmocka_unit_test(test_undone_without_a_lock_what_is_stored_meanwhile_stays),
      cmocka_unit_test(test_undone_with_the_lock_what_came_before_stays),
  };
  return cmocka_run_group_tests(tests, make_operations, NULL);
}
