/* The dict against a table that has one row for each key there is: random steps, the same answers.
 * Built twice, see LOG_SPAN_MAX in CMakeLists.txt. */
#include "server/objects/dict.h"
#include "server/objects/dict_log.h"
#include "tests/support/malloc_hook.h"
#include "tests/support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define KEYS 6000
#define STEPS 300000
#define PHASE_STEPS 15000

static const struct value_hash_key hash_key = {{7, 1, 8, 2, 8}};
static uint64_t seed;

struct row {
  bool present;
  uint8_t kind; /* of the key that was inserted first */
  int64_t value;
  uint64_t inserted; /* the step: the order */
  uint64_t seen;     /* times in the scan under way */
};

struct model {
  struct dict *dict;
  struct random random;
  struct row rows[KEYS];
  size_t count;
  uint64_t step;
  uint64_t cursor; /* of the scan under way */
  uint64_t scan_started;
  size_t base_bytes;
};

/* Each id is another key; some have several forms that are equal. */
static struct value key_of(struct random *random, size_t id) {
  char text[64];
  struct value key;
  int len = snprintf(text, sizeof text, "key %zu", id);
  switch (id % 6) {
    case 0: /* numbers in each of their kinds */
      if (id <= 6 && random_below(random, 3) == 0) {
        return id == 0 ? value_bool(false) : value_int((int64_t)id);
      }
      return random_below(random, 2) ? value_int((int64_t)id) : value_float((double)id);
    case 1:
      return value_float((double)id + 0.5);
    case 2:
      assert_true(value_text(bytes_of(text, (size_t)len), &key));
      return key;
    case 3:
      len = snprintf(text, sizeof text, "a key of more than fourteen bytes, %zu", id);
      assert_true(value_text(bytes_of(text, (size_t)len), &key));
      return key;
    case 4:
      assert_true(value_bytes(bytes_of(text, (size_t)len), &key));
      return key;
    default: {
      bool whole = random_below(random, 2);
      struct value items[2] = {value_none(),
                               whole ? value_int((int64_t)id) : value_float((double)id)};
      assert_true(value_tuple(items, 2, &key));
      return key;
    }
  }
}

/* (None, id), found by bisection. */
static size_t id_of_tuple(struct value key) {
  size_t low = 0;
  size_t high = KEYS / 6;
  while (low < high) {
    size_t middle = (low + high) / 2;
    struct value items[2] = {value_none(), value_int((int64_t)(middle * 6 + 5))};
    struct value same;
    int order;
    assert_true(value_tuple(items, 2, &same));
    assert_int_equal(value_compare(key, same, &order), HF_REASON_NONE);
    value_release(same);
    if (order == 0) {
      return middle * 6 + 5;
    }
    *(order < 0 ? &high : &low) = order < 0 ? middle : middle + 1;
  }
  fail_msg("a tuple that nobody inserted");
  return 0;
}

static size_t id_of(struct value key) {
  struct bytes content = value_content(&key);
  char text[64] = "";
  memcpy(text, content.data ? content.data : (const uint8_t *)"", content.len);
  const char *last_space = strrchr(text, ' ');
  switch (key.kind) {
    case VALUE_BOOL:
      return key.boolean;
    case VALUE_INT:
      return (size_t)key.integer;
    case VALUE_FLOAT:
      return (size_t)key.real;
    case VALUE_TEXT:
    case VALUE_BYTES:
      return strtoul(last_space + 1, NULL, 10);
    default:
      return id_of_tuple(key);
  }
}

/* Some values live in boxes, so that the accounting has something to count. */
static struct value content_of(int64_t number) {
  struct value content = value_int(number);
  if (number % 5 == 0) {
    char text[40];
    int len = snprintf(text, sizeof text, "number %020lld", (long long)number);
    assert_true(value_text(bytes_of(text, (size_t)len), &content));
  }
  return content;
}

static void expect_content(struct value content, int64_t number) {
  struct value expected = content_of(number);
  assert_true(value_equal(content, expected));
  value_release(expected);
}

/* It takes a quarter more than it counts for at most, and some segments of an
 * index that was split by what was undone. */
static void expect_honest_memory(const struct model *model) {
  assert_in_range(malloc_hook_live_bytes() - model->base_bytes, 0,
                  dict_memory_bytes(model->dict) * 5 / 4 + 16384);
}

static void step_get(struct model *model, size_t id) {
  struct value key = key_of(&model->random, id);
  struct value found;
  bool present = dict_get(model->dict, key, &found);
  assert_int_equal(present, model->rows[id].present);
  if (present) {
    expect_content(found, model->rows[id].value);
  }
  value_release(key);
}

static void step_set(struct model *model, size_t id) {
  struct row *row = &model->rows[id];
  struct value key = key_of(&model->random, id);
  int64_t number = (int64_t)random_below(&model->random, 1000);
  struct value old;
  uint8_t kind = key.kind;
  assert_int_equal(dict_set(model->dict, key, content_of(number), &old), HF_REASON_NONE);
  assert_int_equal(!value_is_absent(old), row->present);
  if (row->present) {
    expect_content(old, row->value);
    value_release(old);
  } else {
    row->present = true;
    row->kind = kind;
    row->inserted = model->step;
    row->seen = 0;
    model->count++;
  }
  row->value = number;
}

static void forget(struct model *model, size_t id, struct value key, struct value content) {
  struct row *row = &model->rows[id];
  assert_true(row->present);
  assert_int_equal(key.kind, row->kind);
  expect_content(content, row->value);
  value_release(key);
  value_release(content);
  row->present = false;
  model->count--;
}

static void step_remove(struct model *model, size_t id) {
  struct value key = key_of(&model->random, id);
  struct value removed_key;
  struct value removed;
  if (dict_remove(model->dict, key, &removed_key, &removed)) {
    assert_true(value_equal(removed_key, key));
    forget(model, id, removed_key, removed);
  } else {
    assert_false(model->rows[id].present);
  }
  value_release(key);
}

static void step_remove_last(struct model *model) {
  struct value key;
  struct value content;
  if (!dict_remove_last(model->dict, &key, &content)) {
    assert_int_equal(model->count, 0);
    return;
  }
  size_t id = id_of(key);
  for (size_t i = 0; i < KEYS; i++) {
    assert_true(!model->rows[i].present || model->rows[i].inserted <= model->rows[id].inserted);
  }
  forget(model, id, key, content);
}

static void step_clear(struct model *model) {
  dict_clear(model->dict);
  memset(model->rows, 0, sizeof model->rows);
  model->count = 0;
}

/* What was there from beginning to end was seen once. Renumbering alone may show it again. */
static void finish_scan(struct model *model) {
  for (size_t i = 0; i < KEYS; i++) {
    struct row *row = &model->rows[i];
    if (row->present && row->inserted < model->scan_started) {
      assert_true(LOG_SPAN_MAX == UINT32_MAX ? row->seen == 1 : row->seen >= 1);
    }
    row->seen = 0;
  }
  model->cursor = 0;
  model->scan_started = model->step + 1;
}

/* One entry further in the scan that goes on while the dict changes. */
static void step_scan(struct model *model) {
  struct value key;
  struct value content;
  if (!dict_next(model->dict, &model->cursor, &key, &content)) {
    finish_scan(model);
    return;
  }
  struct row *row = &model->rows[id_of(key)];
  assert_true(row->present);
  assert_int_equal(row->kind, key.kind);
  expect_content(content, row->value);
  row->seen++;
}

static void expect_order(const struct model *model) {
  uint64_t cursor = 0;
  struct value key;
  struct value content;
  size_t count = 0;
  uint64_t newest = 0;
  while (dict_next(model->dict, &cursor, &key, &content)) {
    const struct row *row = &model->rows[id_of(key)];
    assert_true(row->present);
    assert_true(count == 0 || row->inserted > newest);
    newest = row->inserted;
    expect_content(content, row->value);
    count++;
  }
  assert_int_equal(count, model->count);
  assert_int_equal(dict_len(model->dict), model->count);
}

/* ---- changes that are undone, or not */

#define TENTATIVE_MAX 600 /* more than a page */

struct change {
  size_t id;
  struct dict_slot slot;
  struct value key, content; /* as they were; VALUE_ABSENT: not there */
  struct row row;
};

static void record_change(struct model *model, struct change *change, size_t id) {
  struct value key = key_of(&model->random, id);
  *change = (struct change){.id = id, .row = model->rows[id]};
  if (dict_find(model->dict, key, &change->slot, &change->key, &change->content)) {
    value_retain(change->key);
    value_retain(change->content);
  }
  value_release(key);
}

/* Without any memory. */
static void undo_change(struct model *model, struct change *change) {
  struct value key = key_of(&model->random, change->id), found_key, found;
  struct dict_slot slot = {0};
  bool present = dict_find(model->dict, key, &slot, &found_key, &found);
  malloc_hook_fail(1);
  if (value_is_absent(change->key)) {
    change->slot = slot;
    if (present) {
      assert_true(dict_remove(model->dict, key, &found_key, &found));
      value_release(found_key);
      value_release(found);
    }
  } else if (present) {
    assert_int_equal(slot.slot, change->slot.slot);
    assert_int_equal(
        dict_set(model->dict, value_retain(change->key), value_retain(change->content), NULL),
        HF_REASON_NONE);
  } else {
    dict_restore(model->dict, change->slot, value_retain(change->key),
                 value_retain(change->content));
  }
  assert_false(malloc_hook_has_failed());
  malloc_hook_fail(0);
  model->count += (size_t)change->row.present - (size_t)model->rows[change->id].present;
  model->rows[change->id] = change->row;
  value_release(key);
}

static void step_tentative(struct model *model) {
  static struct change changes[TENTATIVE_MAX];
  size_t count = random_below(&model->random, TENTATIVE_MAX) + 1;
  size_t keys = random_below(&model->random, 2) ? KEYS : 50;
  uint64_t set_percent = random_below(&model->random, 101);
  bool undo = random_below(&model->random, 4) > 0;
  assert_true(dict_pin(model->dict, TENTATIVE_MAX));
  for (size_t i = 0; i < count; i++) {
    size_t id = random_below(&model->random, keys);
    record_change(model, &changes[i], id);
    if (random_below(&model->random, 100) < set_percent) {
      step_set(model, id);
    } else {
      step_remove(model, id);
    }
    model->step++;
  }
  for (size_t i = count; undo && i > 0; i--) {
    undo_change(model, &changes[i - 1]);
  }
  for (size_t i = 0; i < count; i++) {
    if (undo || !value_is_absent(changes[i].key)) {
      dict_tidy(model->dict, changes[i].slot);
    }
    value_release(changes[i].key);
    value_release(changes[i].content);
  }
  dict_unpin(model->dict);
  expect_order(model);
  expect_honest_memory(model);
}

/* Phases: filling, mixed, emptying; over few keys and over all. */
static void take_step(struct model *model) {
  static const unsigned set_percent[] = {75, 45, 10, 50, 90, 3};
  uint64_t phase = model->step / PHASE_STEPS;
  size_t keys = phase % 4 == 3 ? 20 : KEYS;
  size_t id = random_below(&model->random, keys);
  uint64_t dice = random_below(&model->random, 100);
  uint64_t set = set_percent[phase % 6];
  if (random_below(&model->random, 4 * PHASE_STEPS) == 0) {
    step_clear(model);
  } else if (dice < set) {
    step_set(model, id);
  } else if (dice < 97) {
    step_remove(model, id);
  } else {
    step_remove_last(model);
  }
  step_get(model, random_below(&model->random, KEYS));
  step_scan(model);
  model->step++;
}

static void test_dict_random_steps_match_a_table(void **state) {
  (void)state;
  static struct model model;
  model.random.state = seed;
  model.base_bytes = malloc_hook_live_bytes();
  model.dict = dict_new(&hash_key);
  assert_non_null(model.dict);
  while (model.step < STEPS) {
    take_step(&model);
    if (model.step % 64 == 0) {
      expect_honest_memory(&model);
    }
    if (model.step % 5000 == 0) {
      expect_order(&model);
    }
    if (random_below(&model.random, 1000) == 0) {
      step_tentative(&model);
    }
  }
  while (model.count > 0) { /* to the end, from the end */
    step_remove_last(&model);
    expect_honest_memory(&model);
  }
  dict_free(model.dict);
  assert_int_equal(malloc_hook_live_bytes(), model.base_bytes);
}

/* One entry stays in front while everything behind it comes and goes. */
static void test_dict_long_churn_behind_an_old_entry_stays_small(void **state) {
  (void)state;
  struct dict *dict = dict_new(&hash_key);
  struct value key;
  struct value content;
  assert_int_equal(dict_set(dict, value_int(-1), value_int(-1), NULL), HF_REASON_NONE);
  for (int64_t i = 0; i < 300000; i++) {
    assert_int_equal(dict_set(dict, value_int(i), value_int(i), NULL), HF_REASON_NONE);
    if (i >= 10) {
      assert_true(dict_remove(dict, value_int(i - 10), &key, &content));
    }
  }
  assert_int_equal(dict_len(dict), 11);
  assert_true(dict_get(dict, value_int(-1), &content));
  assert_int_equal(content.integer, -1);
  uint64_t cursor = 0;
  assert_true(dict_next(dict, &cursor, &key, &content));
  assert_int_equal(key.integer, -1);
  for (int64_t i = 299990; i < 300000; i++) {
    assert_true(dict_next(dict, &cursor, &key, &content));
    assert_int_equal(key.integer, i);
  }
  assert_false(dict_next(dict, &cursor, &key, &content));
  assert_true(dict_memory_bytes(dict) < 64 * 1024);
  dict_free(dict);
}

int main(int argc, char **argv) {
  seed = random_seed(argc, argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_dict_random_steps_match_a_table),
      cmocka_unit_test(test_dict_long_churn_behind_an_old_entry_stays_small),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
