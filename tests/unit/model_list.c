/* The list against an array of numbers: random steps, the same answers, and a tree that is in order. */
#include "server/objects/list.h"
#include "server/objects/list_tree.h"
#include "tests/support/malloc_hook.h"
#include "tests/support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS_MAX 4000
#define STEPS 100000

static uint64_t seed;

struct model {
  struct list list;
  struct random random;
  int64_t items[ITEMS_MAX * 2];
  size_t len;
};

/* A number is an item; every fifth is a text in a box. */
static struct value item_of(int64_t number) {
  struct value item = value_int(number);
  if (number % 5 == 0) {
    char text[40];
    int len = snprintf(text, sizeof text, "number %020lld", (long long)number);
    assert_true(value_text(bytes_of(text, (size_t)len), &item));
  }
  return item;
}

static void expect_item(struct value item, int64_t number) {
  struct value expected = item_of(number);
  assert_true(value_equal(item, expected));
  value_release(expected);
}

/* ---- L1 to L5 of list_tree.h */

struct walk {
  const struct list *list;
  const struct list_leaf *first_leaf, *last_leaf;
};

static struct list_branch expect_leaf(struct walk *walk, const struct list_leaf *leaf,
                                      bool is_edge) {
  bool is_root = walk->list->height == 0;
  assert_true(is_root || leaf->capacity == LEAF_SLOTS);
  assert_in_range(leaf->count, is_edge ? 1 : LEAF_SLOTS_MIN, leaf->capacity);
  walk->first_leaf = walk->first_leaf ? walk->first_leaf : leaf;
  walk->last_leaf = leaf;
  size_t from = leaf == walk->list->front ? walk->list->first : 0;
  size_t to = leaf->count - (leaf == walk->list->back ? walk->list->rest : 0u);
  assert_true(from < to);
  size_t bytes = list_items_bytes(leaf->items + from, to - from);
  return (struct list_branch){.slots = leaf->count, .bytes = bytes};
}

static struct list_branch expect_tree(struct walk *walk, const void *tree, unsigned height,
                                      bool front, bool back) {
  if (height == 0) {
    return expect_leaf(walk, tree, front || back);
  }
  const struct list_node *node = tree;
  struct list_branch all = {0};
  size_t least = front && back ? 2 : front || back ? 1 : FANOUT_MIN;
  assert_in_range(node->count, least, FANOUT);
  for (unsigned i = 0; i < node->count; i++) {
    struct list_branch child = expect_tree(walk, node->children[i], height - 1, front && i == 0,
                                           back && i == node->count - 1);
    all.slots += child.slots;
    all.bytes += child.bytes;
    assert_int_equal(node->ends[i], all.slots);
    assert_int_equal(node->bytes[i], child.bytes);
  }
  return all;
}

static void expect_invariants(const struct list *list) {
  if (list->len == 0) {
    assert_null(list->root);
    assert_int_equal(list->values_bytes + list->first + list->rest + list->height, 0);
    return;
  }
  struct walk walk = {.list = list};
  struct list_branch all = expect_tree(&walk, list->root, list->height, true, true);
  assert_int_equal(all.slots, list->first + list->len + list->rest);
  assert_int_equal(all.bytes, list->values_bytes);
  assert_ptr_equal(walk.first_leaf, list->front);
  assert_ptr_equal(walk.last_leaf, list->back);
}

/* It takes a quarter more than it counts for at most, and a page. */
static void expect_honest(const struct list *list) {
#if LEAF_SHIFT == 8
  assert_in_range(malloc_hook_live_bytes(), 0, list_memory_bytes(list) * 5 / 4 + 4096);
#else
  (void)list;
#endif
}

static void expect_same(const struct model *model) {
  assert_int_equal(model->list.len, model->len);
  expect_invariants(&model->list);
  for (size_t i = 0; i < model->len; i++) {
    expect_item(list_at(&model->list, i), model->items[i]);
  }
  expect_honest(&model->list);
}

static int64_t some_number(struct model *model) {
  return (int64_t)random_below(&model->random, 200);
}

/* A new count of items: usually few. */
static size_t some_count(struct model *model) {
  return random_below(&model->random, random_below(&model->random, 20) == 0 ? 300 : 8);
}

static void naive_insert(struct model *model, size_t position, const int64_t *numbers,
                         size_t count) {
  memmove(model->items + position + count, model->items + position,
          (model->len - position) * sizeof *model->items);
  if (count > 0) {
    memcpy(model->items + position, numbers, count * sizeof *numbers);
  }
  model->len += count;
}

static void naive_remove(struct model *model, size_t position) {
  model->len--;
  memmove(model->items + position, model->items + position + 1,
          (model->len - position) * sizeof *model->items);
}

static void make_items(struct model *model, int64_t *numbers, struct value *items, size_t count) {
  for (size_t i = 0; i < count; i++) {
    numbers[i] = some_number(model);
    items[i] = item_of(numbers[i]);
  }
}

static void step_insert(struct model *model) {
  int64_t numbers[300];
  struct value items[300];
  size_t count = some_count(model);
  size_t where = random_below(&model->random, 4);
  size_t position = where == 0   ? 0
                    : where == 1 ? model->len
                                 : random_below(&model->random, model->len + 1);
  if (model->len + count > ITEMS_MAX) {
    return;
  }
  make_items(model, numbers, items, count);
  assert_int_equal(list_insert(&model->list, position, items, count), HF_REASON_NONE);
  naive_insert(model, position, numbers, count);
}

static void step_remove(struct model *model) {
  for (size_t count = some_count(model); count > 0 && model->len > 0; count--) {
    size_t where = random_below(&model->random, 4);
    size_t position = where == 0   ? 0
                      : where == 1 ? model->len - 1
                                   : random_below(&model->random, model->len);
    struct value removed = list_remove_at(&model->list, position);
    expect_item(removed, model->items[position]);
    value_release(removed);
    naive_remove(model, position);
  }
}

static struct list_range some_range(struct model *model) {
  struct list_range range;
  int64_t bounds[2];
  const int64_t *given[2];
  for (int i = 0; i < 2; i++) {
    bounds[i] = (int64_t)random_below(&model->random, 2 * model->len + 3) - (int64_t)model->len - 1;
    given[i] = random_below(&model->random, 4) ? &bounds[i] : NULL;
  }
  int64_t step = (int64_t)random_below(&model->random, 9) - 4;
  step = step == 0 ? 1 : step;
  assert_int_equal(list_range_of(model->len, given[0], given[1], &step, &range), HF_REASON_NONE);
  return range;
}

static void step_remove_range(struct model *model) {
  struct list_range range = some_range(model);
  struct list removed;
  list_init(&removed);
  assert_int_equal(list_remove_range(&model->list, range, &removed, NULL), HF_REASON_NONE);
  assert_int_equal(removed.len, range.count);
  expect_invariants(&removed);
  for (size_t i = 0; i < range.count; i++) { /* in ascending order */
    size_t nth = range.step > 0 ? i : range.count - 1 - i;
    expect_item(list_at(&removed, i), model->items[range.start + (int64_t)nth * range.step]);
  }
  for (size_t i = 0; i < range.count; i++) { /* naively from the highest position down */
    size_t nth = range.step > 0 ? range.count - 1 - i : i;
    naive_remove(model, (size_t)(range.start + (int64_t)nth * range.step));
  }
  list_deinit(&removed);
}

static void step_replace_range(struct model *model) {
  struct list_range range = some_range(model);
  int64_t numbers[300];
  struct value items[300];
  size_t count = random_below(&model->random, 2) ? some_count(model) : range.count;
  if (count > 300 || model->len + count > ITEMS_MAX) {
    return;
  }
  struct list removed;
  list_init(&removed);
  make_items(model, numbers, items, count);
  hf_reason reason = list_replace_range(&model->list, range, items, count, &removed);
  if (range.step != 1 && count != range.count) {
    assert_int_equal(reason, HF_REASON_BAD_SLICE);
    for (size_t i = 0; i < count; i++) {
      value_release(items[i]);
    }
  } else {
    assert_int_equal(reason, HF_REASON_NONE);
    assert_int_equal(removed.len, range.count);
    for (size_t i = 0; i < range.count && range.step != 1; i++) {
      model->items[range.start + (int64_t)i * range.step] = numbers[i];
    }
    if (range.step == 1) {
      for (size_t i = 0; i < range.count; i++) {
        expect_item(list_at(&removed, i), model->items[range.start]);
        naive_remove(model, (size_t)range.start);
      }
      naive_insert(model, (size_t)range.start, numbers, count);
    }
  }
  list_deinit(&removed);
}

static void step_replace(struct model *model) {
  if (model->len > 0) {
    size_t position = random_below(&model->random, model->len);
    int64_t number = some_number(model);
    struct value old = list_replace(&model->list, position, item_of(number));
    expect_item(old, model->items[position]);
    value_release(old);
    model->items[position] = number;
  }
}

static void step_find(struct model *model) {
  int64_t number = some_number(model);
  struct value item = item_of(number);
  size_t from = random_below(&model->random, model->len + 1);
  size_t to = random_below(&model->random, model->len + 1);
  size_t expected = from;
  size_t count = 0;
  while (expected < to && model->items[expected] != number) {
    expected++;
  }
  for (size_t i = 0; i < model->len; i++) {
    count += model->items[i] == number;
  }
  size_t position;
  if (list_find(&model->list, item, from, to, &position)) {
    assert_int_equal(position, expected);
  } else {
    assert_true(expected >= to);
  }
  assert_int_equal(list_count(&model->list, item, 0, model->len), count);
  value_release(item);
}

static void step_reverse(struct model *model) {
  list_reverse(&model->list);
  for (size_t i = 0; i < model->len / 2; i++) {
    int64_t item = model->items[i];
    model->items[i] = model->items[model->len - 1 - i];
    model->items[model->len - 1 - i] = item;
  }
}

/* Numbers and texts together can't be sorted. */
static void step_sort(struct model *model) {
  size_t texts = 0;
  for (size_t i = 0; i < model->len; i++) {
    texts += model->items[i] % 5 == 0;
  }
  bool reverse = random_below(&model->random, 2);
  hf_reason reason = list_sort(&model->list, reverse, NULL);
  if (texts > 0 && texts < model->len) {
    assert_int_equal(reason, HF_REASON_NOT_ORDERED);
    return;
  }
  assert_int_equal(reason, HF_REASON_NONE);
  for (size_t i = 1; i < model->len; i++) {
    for (size_t j = i; j > 0; j--) {
      int64_t left = model->items[j - 1];
      int64_t right = model->items[j];
      if (reverse ? left >= right : left <= right) {
        break;
      }
      model->items[j - 1] = right;
      model->items[j] = left;
    }
  }
}

static void step_repeat(struct model *model) {
  int64_t count = (int64_t)random_below(&model->random, 5) - 1;
  struct list removed;
  list_init(&removed);
  if ((int64_t)model->len * count <= ITEMS_MAX) {
    size_t len = model->len;
    assert_int_equal(list_repeat(&model->list, count, &removed, NULL), HF_REASON_NONE);
    assert_int_equal(removed.len, count <= 0 ? len : 0);
    model->len = 0;
    for (int64_t i = 0; i < count; i++) {
      memmove(model->items + model->len, model->items, len * sizeof *model->items);
      model->len += len;
    }
  }
  list_deinit(&removed);
  /* Repeated boxes are shared, which the exact accounting of this test can't know: fresh ones. */
  for (size_t i = 0; i < model->len; i++) {
    value_release(list_replace(&model->list, i, item_of(model->items[i])));
  }
}

/* Exchanges the two parts. */
static void step_split(struct model *model) {
  size_t position = random_below(&model->random, model->len + 1);
  int64_t items[ITEMS_MAX];
  struct list tail;
  assert_int_equal(list_split(&model->list, position, &tail), HF_REASON_NONE);
  assert_int_equal(model->list.len, position);
  assert_int_equal(tail.len, model->len - position);
  expect_invariants(&model->list);
  expect_invariants(&tail);
  assert_int_equal(list_concat(&tail, &model->list), HF_REASON_NONE);
  expect_invariants(&tail);
  assert_int_equal(model->list.len, 0);
  model->list = tail;
  memcpy(items, model->items, position * sizeof *items);
  memmove(model->items, model->items + position, (model->len - position) * sizeof *items);
  memcpy(model->items + model->len - position, items, position * sizeof *items);
}

struct change {
  bool is_removal;
  size_t position;
  struct value removed; /* one count more */
};

static struct change change_pinned(struct model *model, size_t at, bool is_removal) {
  struct change change = {.is_removal = is_removal && model->list.len > 0, .position = at};
  if (change.is_removal) {
    change.position = at < model->list.len ? at : model->list.len - 1;
    assert_true(list_pin(&model->list, change.position));
    change.removed = value_retain(list_at(&model->list, change.position));
    value_release(list_remove_at(&model->list, change.position));
  } else {
    struct value item = item_of(some_number(model));
    assert_int_equal(list_insert(&model->list, change.position, &item, 1), HF_REASON_NONE);
  }
  return change;
}

/* Changes near one position, all undone while there is no memory. */
static void step_undo(struct model *model) {
  struct change changes[400];
  size_t count = random_below(&model->random, random_below(&model->random, 20) == 0 ? 400 : 30),
         at = random_below(&model->random, model->len + 1);
  for (size_t i = 0; i < count; i++) {
    size_t shift = random_below(&model->random, 30);
    at = random_below(&model->random, 50) == 0 ? random_below(&model->random, model->list.len + 1)
                                               : at + shift - (at + shift >= 14 ? 14 : 0);
    at = at < model->list.len ? at : model->list.len;
    changes[i] = change_pinned(model, at, random_below(&model->random, 2));
  }
  malloc_hook_fail_from(1);
  while (count-- > 0) {
    if (changes[count].is_removal) {
      list_restore(&model->list, changes[count].position, changes[count].removed);
    } else {
      value_release(list_remove_at(&model->list, changes[count].position));
    }
  }
  malloc_hook_fail(0);
  list_unpin(&model->list);
}

static void take_step(struct model *model, int step) {
  bool growing = step / 3000 % 2 == 0;
  switch (random_below(&model->random, 100)) {
    case 0:
      step_remove_range(model);
      break;
    case 1:
      (random_below(&model->random, 5) ? step_split : step_repeat)(model);
      break;
    case 2:
      step_sort(model);
      break;
    case 3:
      step_reverse(model);
      break;
    case 4:
      step_undo(model);
      break;
    case 5 ... 9:
      step_replace_range(model);
      break;
    case 10 ... 19:
      step_replace(model);
      break;
    case 20 ... 29:
      step_find(model);
      break;
    case 30 ... 49:
      (growing ? step_insert : step_remove)(model);
      break;
    case 50 ... 74:
      step_insert(model);
      break;
    default:
      step_remove(model);
  }
}

static void test_list_random_steps_match_an_array(void **state) {
  (void)state;
  static struct model model;
  model.random.state = seed;
  list_init(&model.list);
  for (int step = 0; step < STEPS; step++) {
    take_step(&model, step);
    if (step % 50 == 0 || model.len < 20) {
      expect_same(&model);
    }
  }
  list_deinit(&model.list);
  assert_int_equal(malloc_hook_live_bytes(), 0);
}

int main(int argc, char **argv) {
  seed = random_seed(argc, argv);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_list_random_steps_match_an_array),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
