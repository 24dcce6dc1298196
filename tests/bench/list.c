/* bench_list [ITEMS]...: what single operations on the server's own list take, in process, as the list
 * grows.
 *
 * units  ns of the processor's time for an operation: the least of a few rounds, so that what the
 *        machine does besides hardly counts. Memory is what the list says it takes.
 */
#include "server/objects/list.h"
#include "tests/bench/process.h"
#include "tests/support/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 5
#define OPERATIONS 100000 /* in a round; fewer where one takes long */

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static volatile int64_t sink;

static void expect(hf_reason reason) {
  if (reason != HF_REASON_NONE)
    bench_fail("list: %s", hf_reason_name(reason));
}

static void insert(struct list *list, size_t position, int64_t number) {
  struct value value = value_int(number);
  expect(list_insert(list, position, &value, 1));
}

/* Each does about `count` times the same to the list, which is as long afterwards; answers how often. */

static size_t append(struct list *list, struct random *random, size_t count) {
  struct list fresh;
  (void)random;
  list_init(&fresh);
  count = list->len;
  for (size_t i = 0; i < count; i++)
    expect(list_append(&fresh, value_int((int64_t)i)));
  list_deinit(&fresh);
  return count;
}

static size_t put_and_get(struct list *list, struct random *random, size_t count) {
  (void)random;
  for (size_t i = 0; i < count; i++) {
    expect(list_append(list, value_int((int64_t)i)));
    list_remove_at(list, 0);
  }
  return count;
}

static size_t push_and_pop_back(struct list *list, struct random *random, size_t count) {
  (void)random;
  for (size_t i = 0; i < count; i += 500) {
    for (size_t j = 0; j < 500; j++)
      expect(list_append(list, value_int((int64_t)j)));
    for (size_t j = 0; j < 500; j++)
      list_remove_at(list, list->len - 1);
  }
  return count;
}

static size_t push_and_pop_front(struct list *list, struct random *random, size_t count) {
  (void)random;
  for (size_t i = 0; i < count; i += 500) {
    for (size_t j = 0; j < 500; j++)
      insert(list, 0, (int64_t)j);
    for (size_t j = 0; j < 500; j++)
      list_remove_at(list, 0);
  }
  return count;
}

static size_t get_in_order(struct list *list, struct random *random, size_t count) {
  int64_t sum = 0;
  size_t start = random_below(random, list->len);
  for (size_t i = 0; i < count; i++) {
    sum += list_at(list, start).integer;
    start = start + 1 < list->len ? start + 1 : 0;
  }
  sink = sum;
  return count;
}

static size_t get_anywhere(struct list *list, struct random *random, size_t count) {
  int64_t sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += list_at(list, random_below(random, list->len)).integer;
  sink = sum;
  return count;
}

static size_t search(struct list *list, struct random *random, size_t count) {
  size_t position;
  (void)random;
  (void)count;
  if (list_find(list, value_int(-1), 0, list->len, &position))
    bench_fail("found what is not there");
  return list->len;
}

/* Where an insertion moves much, fewer: the array that this replaced took a millisecond for each. */
static size_t insert_and_remove_in_the_middle(struct list *list, struct random *random,
                                              size_t count) {
  count = list->len > 1000000 ? count / 1000 : count / 10;
  for (size_t i = 0; i < count; i++)
    insert(list, random_below(random, list->len), (int64_t)i);
  for (size_t i = 0; i < count; i++)
    list_remove_at(list, random_below(random, list->len));
  return count;
}

static const struct cell {
  const char *name;
  size_t (*run)(struct list *list, struct random *random, size_t count);
} cells[] = {
    {"append, a fresh list", append},
    {"append and pop the first", put_and_get},
    {"append and pop the last", push_and_pop_back},
    {"insert and pop the first", push_and_pop_front},
    {"get, in order", get_in_order},
    {"get, anywhere", get_anywhere},
    {"search, an item", search},
    {"insert and remove, anywhere", insert_and_remove_in_the_middle},
};

static double least_ns(const struct cell *cell, struct list *list) {
  struct random random = {.state = 1};
  double least = 1e300;
  for (int round = 0; round < ROUNDS; round++) {
    uint64_t start_ns = now_ns();
    size_t count = cell->run(list, &random, OPERATIONS);
    double ns = (double)(now_ns() - start_ns) / (double)count;
    least = ns < least ? ns : least;
  }
  return least;
}

/* A list that grew by insertions anywhere. */
static double scattered_bytes(size_t items) {
  struct random random = {.state = 1};
  struct list list;
  list_init(&list);
  for (size_t i = 0; i < items; i++)
    insert(&list, random_below(&random, list.len + 1), (int64_t)i);
  double bytes = (double)list_memory_bytes(&list) / (double)items;
  list_deinit(&list);
  return bytes;
}

static void measure(size_t items) {
  struct list list;
  list_init(&list);
  for (size_t i = 0; i < items; i++)
    expect(list_append(&list, value_int((int64_t)i)));
  printf("%zu items\n", items);
  printf("  %-30s %9.2f bytes an item\n", "memory, appended",
         (double)list_memory_bytes(&list) / (double)items);
  if (items <= 100000)
    printf("  %-30s %9.2f bytes an item\n", "memory, inserted anywhere", scattered_bytes(items));
  for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
    printf("  %-30s %9.1f ns\n", cells[i].name, least_ns(&cells[i], &list));
  list_deinit(&list);
}

int main(int argc, char **argv) {
  static const size_t lengths[] = {1000, 100000, 10000000};
  for (int i = 1; i < argc; i++)
    measure(strtoull(argv[i], NULL, 10));
  for (size_t i = 0; argc == 1 && i < sizeof lengths / sizeof *lengths; i++)
    measure(lengths[i]);
  return 0;
}
