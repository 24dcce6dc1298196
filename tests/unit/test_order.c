/* The ordered index against a sorted array, in the orders that are worst for a plain tree. */
#include "server/engine/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka wants the four above */
#include <cmocka.h>

#define COUNT 100000
/* Twice what a random tree of that many is deep with any likelihood. */
#define COMPARISONS_MAX 120

struct item {
  uint64_t key;
  struct order_node node;
};

static struct item items[COUNT];
static size_t comparisons;

static struct item *item_of(const struct order_node *node) {
  return (struct item *)((char *)node - offsetof(struct item, node));
}

static int compare(const void *key, const struct order_node *node) {
  uint64_t one = *(const uint64_t *)key, other = item_of(node)->key;
  comparisons++;
  return (one > other) - (one < other);
}

static uint64_t mix(uint64_t number) {
  number = (number ^ number >> 31) * UINT64_C(0x9e3779b97f4a7c15);
  return (number ^ number >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
}

/* The keys are even numbers, put in by `order_of`. */
static void fill(struct order *order, size_t (*order_of)(size_t idx)) {
  *order = (struct order){.compare = compare};
  for (size_t i = 0; i < COUNT; i++) {
    struct item *item = &items[order_of(i)];
    item->key = 2 * order_of(i);
    comparisons = 0;
    order_insert(order, &item->node, &item->key, mix(i + 1));
    assert_true(comparisons <= COMPARISONS_MAX);
  }
}

static size_t as_it_is(size_t idx) {
  return idx;
}

static size_t backwards(size_t idx) {
  return COUNT - 1 - idx;
}

/* 7 has no divisor in common with COUNT. */
static size_t to_and_fro(size_t idx) {
  return idx * 7 % COUNT;
}

static void expect_found(const struct order *order, uint64_t key, bool is_beyond, size_t idx) {
  comparisons = 0;
  struct order_node *node = is_beyond ? order_beyond(order, &key) : order_from(order, &key);
  assert_ptr_equal(node, idx < COUNT ? &items[idx].node : NULL);
  assert_true(comparisons <= COMPARISONS_MAX);
}

static void check_all(size_t (*order_of)(size_t idx)) {
  struct order order;
  fill(&order, order_of);
  for (size_t i = 0; i < COUNT; i++) {
    expect_found(&order, 2 * i, false, i);
    expect_found(&order, 2 * i, true, i + 1);
    expect_found(&order, 2 * i + 1, false, i + 1);
    expect_found(&order, 2 * i + 1, true, i + 1);
    assert_ptr_equal(items[i].node.next, i + 1 < COUNT ? &items[i + 1].node : NULL);
    assert_ptr_equal(items[i].node.previous, i > 0 ? &items[i - 1].node : NULL);
  }
}

static void test_order_finds_whatever_the_order_of_insertion(void **state) {
  (void)state;
  check_all(as_it_is);
  check_all(backwards);
  check_all(to_and_fro);
}

static void test_order_without_what_was_removed(void **state) {
  (void)state;
  struct order order;
  fill(&order, to_and_fro);
  for (size_t i = 0; i < COUNT; i++) {
    size_t idx = to_and_fro(i);
    if (idx % 3 != 0) {
      comparisons = 0;
      order_remove(&order, &items[idx].node, &items[idx].key);
      assert_true(comparisons <= COMPARISONS_MAX);
    }
  }
  for (size_t i = 0; i + 3 < COUNT; i++) {
    size_t idx = (i + 2) / 3 * 3;
    expect_found(&order, 2 * i, false, idx);
  }
  for (size_t i = 0; i < COUNT; i += 3) {
    assert_ptr_equal(items[i].node.next, i + 3 < COUNT ? &items[i + 3].node : NULL);
    order_remove(&order, &items[i].node, &items[i].key);
  }
  assert_null(order.root);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_order_finds_whatever_the_order_of_insertion),
      cmocka_unit_test(test_order_without_what_was_removed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
