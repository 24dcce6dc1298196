/* Transactions through the client library. */
#include <pthread.h>
#include <unistd.h>

#include "tests/integration/world.h"

struct books {
  hf_dict *dict;
  hf_list *list;
  hf_queue *queue;
  hf_cell *cell;
  hf_array *array;
  hf_lock *lock;
  hf_semaphore *semaphore;
  hf_event *event;
};

static struct books books_open(void) {
  struct books books;
  expect_ok(hf_dict_open(world.conn, NULL, &books.dict));
  expect_ok(hf_list_open(world.conn, NULL, &books.list));
  expect_ok(hf_queue_open(world.conn, NULL, 2, &books.queue));
  expect_ok(hf_cell_open(world.conn, NULL, 'q', hf_int(0), &books.cell));
  expect_ok(hf_array_open(world.conn, NULL, 'i', 3, NULL, &books.array));
  expect_ok(hf_lock_open(world.conn, NULL, &books.lock));
  expect_ok(hf_semaphore_open(world.conn, NULL, 1, &books.semaphore));
  expect_ok(hf_event_open(world.conn, NULL, &books.event));
  return books;
}

static void books_close(struct books *books) {
  hf_dict_close(books->dict);
  hf_list_close(books->list);
  hf_queue_close(books->queue);
  hf_cell_close(books->cell);
  hf_array_close(books->array);
  hf_lock_close(books->lock);
  hf_semaphore_close(books->semaphore);
  hf_event_close(books->event);
}

/* The dict's only entry, if any, is n: expected. */
static void expect_n(hf_dict *dict, int64_t expected) {
  hf_value value;
  expect_ok(hf_dict_get(dict, hf_text("n"), &value));
  expect_equal(value, hf_int(expected));
}

static hf_status add_n(hf_dict *dict, int64_t amount) {
  return hf_dict_add(dict, hf_text("n"), hf_int(amount), NULL);
}

/* ---------------------------------------------------------------- what it does */

static void test_transaction_does_all_and_sets_every_result(void **state) {
  struct books books = books_open();
  hf_value sum, popped, item, cell, element, old;
  bool found = false, swapped = false, is_set = false;
  uint64_t len = 0, size = 0;
  struct hf_grant grant = {0};
  size_t part = 99;
  (void)state;
  expect_ok(hf_list_append(books.list, hf_text("last")));
  expect_ok(hf_queue_put(books.queue, hf_text("item"), 0));
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(hf_dict_set(books.dict, hf_text("n"), hf_int(1)));
  expect_ok(hf_dict_add(books.dict, hf_text("n"), hf_int(41), &sum));
  expect_ok(hf_dict_contains(books.dict, hf_text("n"), &found));
  expect_ok(hf_dict_len(books.dict, &len));
  expect_ok(hf_list_pop(books.list, -1, &popped));
  expect_ok(hf_queue_get(books.queue, 0, &item));
  expect_ok(hf_queue_put(books.queue, hf_int(1), 0));
  expect_ok(hf_queue_put(books.queue, hf_int(2), HF_FOREVER));
  expect_ok(hf_queue_size(books.queue, &size));
  expect_ok(hf_cell_compare_and_set(books.cell, hf_int(0), hf_int(7), &swapped, &old));
  expect_ok(hf_cell_get(books.cell, &cell));
  expect_ok(hf_array_set(books.array, 2, hf_int(5)));
  expect_ok(hf_array_get(books.array, 2, &element));
  expect_ok(hf_lock_acquire(books.lock, HF_FOREVER, &grant));
  expect_ok(hf_semaphore_acquire(books.semaphore, 0));
  expect_ok(hf_event_set(books.event));
  expect_ok(hf_event_is_set(books.event, &is_set));
  assert_int_equal(len, 0); /* nothing was sent yet */
  expect_ok(hf_transaction_commit(world.conn, 0, &part));
  assert_int_equal(part, 99);
  expect_equal(sum, hf_int(42));
  expect_equal(popped, hf_text("last"));
  expect_equal(item, hf_text("item"));
  expect_equal(cell, hf_int(7));
  expect_equal(old, hf_int(0));
  expect_equal(element, hf_int(5));
  assert_true(found && swapped && is_set);
  assert_int_equal(len, 1);
  assert_int_equal(size, 2);
  expect_ok(hf_lock_release_token(books.lock, grant.token));
  expect_fails(hf_semaphore_acquire(books.semaphore, 0), DEADLINE_EXCEEDED, NO_PERMIT);
  books_close(&books);
}

static void test_transaction_that_fails_leaves_nothing(void **state) {
  struct books books = books_open();
  hf_value item, popped = hf_none();
  uint64_t len;
  bool is_set;
  size_t part = 99;
  (void)state;
  expect_ok(hf_dict_set(books.dict, hf_text("n"), hf_int(1)));
  expect_ok(hf_list_append(books.list, hf_int(3)));
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(add_n(books.dict, 5));
  expect_ok(hf_dict_set(books.dict, hf_text("new"), hf_int(5)));
  expect_ok(hf_list_pop(books.list, 0, &popped));
  expect_ok(hf_queue_put(books.queue, hf_int(1), 0));
  expect_ok(hf_cell_set(books.cell, hf_int(9)));
  expect_ok(hf_lock_acquire(books.lock, 0, NULL));
  expect_ok(hf_event_set(books.event));
  expect_ok(hf_dict_delete(books.dict, hf_text("missing")));
  expect_ok(add_n(books.dict, 5));
  expect_fails(hf_transaction_commit(world.conn, 0, &part), NOT_FOUND, NO_SUCH_KEY);
  assert_int_equal(part, 8);
  assert_int_equal(popped.type, HF_TYPE_NONE);
  expect_n(books.dict, 1);
  expect_ok(hf_dict_len(books.dict, &len));
  assert_int_equal(len, 1);
  expect_ok(hf_list_len(books.list, &len));
  assert_int_equal(len, 1);
  expect_fails(hf_queue_get(books.queue, 0, &item), RESOURCE_EXHAUSTED, QUEUE_EMPTY);
  expect_ok(hf_cell_get(books.cell, &item));
  expect_equal(item, hf_int(0));
  expect_fails(hf_lock_release(books.lock), FAILED_PRECONDITION, NOT_LOCKED);
  expect_ok(hf_event_is_set(books.event, &is_set));
  assert_false(is_set);
  books_close(&books);
}

static void test_transaction_never_waits_for_an_operation(void **state) {
  struct books books = books_open();
  hf_value item;
  size_t part;
  (void)state;
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(add_n(books.dict, 1));
  expect_ok(hf_queue_get(books.queue, HF_FOREVER, &item));
  expect_fails(hf_transaction_commit(world.conn, HF_FOREVER, &part), RESOURCE_EXHAUSTED,
               QUEUE_EMPTY);
  assert_int_equal(part, 2);
  expect_ok(hf_semaphore_acquire(books.semaphore, 0));
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(hf_semaphore_acquire(books.semaphore, HF_FOREVER));
  expect_fails(hf_transaction_commit(world.conn, HF_FOREVER, &part), DEADLINE_EXCEEDED, NO_PERMIT);
  assert_int_equal(part, 1);
  assert_int_equal(waiting_count(), 0);
  books_close(&books);
}

/* ---------------------------------------------------------------- conditions */

static void require_all(struct books *books, const struct hf_grant *grant) {
  const hf_value one = hf_int(1);
  expect_ok(hf_require_equal(books->dict, hf_text("n"), &one));
  expect_ok(hf_require_equal(books->dict, hf_text("m"), NULL));
  expect_ok(hf_require_length(HF_AS_OBJECT(books->dict), 1));
  expect_ok(hf_require_length(HF_AS_OBJECT(books->list), 0));
  expect_ok(hf_require_room(books->queue, 2));
  expect_ok(hf_require_at_least(books->cell, hf_float(-0.5)));
  expect_ok(hf_require_owned(books->lock, grant->token));
  expect_ok(hf_require_set(books->event));
}

static void test_transaction_conditions_hold_or_are_named(void **state) {
  const hf_value one = hf_int(1);
  struct books books = books_open();
  struct hf_grant grant;
  size_t part;
  (void)state;
  expect_ok(hf_dict_set(books.dict, hf_text("n"), one));
  expect_ok(hf_lock_acquire(books.lock, 0, &grant));
  expect_ok(hf_event_set(books.event));
  expect_ok(hf_transaction_begin(world.conn));
  require_all(&books, &grant);
  expect_ok(add_n(books.dict, 0));
  expect_ok(hf_transaction_commit(world.conn, 0, NULL));
  /* Conditions are counted first, wherever they were made. */
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(add_n(books.dict, 1));
  expect_ok(hf_require_equal(books.dict, hf_text("n"), &one));
  expect_ok(add_n(books.dict, 1));
  expect_ok(hf_require_free(books.lock));
  expect_fails(hf_transaction_commit(world.conn, 0, &part), ABORTED, CONDITION_NOT_MET);
  assert_int_equal(part, 2);
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(add_n(books.dict, 1));
  expect_ok(hf_dict_delete(books.dict, hf_text("m")));
  expect_ok(hf_require_equal(books.dict, hf_text("n"), &one));
  expect_fails(hf_transaction_commit(world.conn, 20, &part), NOT_FOUND, NO_SUCH_KEY);
  assert_int_equal(part, 3);
  expect_n(books.dict, 1);
  books_close(&books);
}

enum condition_kind { KEY_EQUALS, NO_KEY, LENGTH, ROOM, AT_LEAST, FREE, IS_SET, CONDITION_COUNT };

static hf_status require_one(struct books *books, enum condition_kind kind) {
  const hf_value two = hf_int(2);
  switch (kind) {
    case KEY_EQUALS:
      return hf_require_equal(books->dict, hf_text("k"), &two);
    case NO_KEY:
      return hf_require_equal(books->dict, hf_text("gone"), NULL);
    case LENGTH:
      return hf_require_length(HF_AS_OBJECT(books->list), 3);
    case ROOM:
      return hf_require_room(books->queue, 2);
    case AT_LEAST:
      return hf_require_at_least(books->cell, hf_int(10));
    case FREE:
      return hf_require_free(books->lock);
    default:
      return hf_require_set(books->event);
  }
}

static void make_all_false(struct books *books) {
  expect_ok(hf_dict_set(books->dict, hf_text("gone"), hf_int(1)));
  expect_ok(hf_queue_put(books->queue, hf_int(1), 0));
  expect_ok(hf_lock_acquire(books->lock, 0, NULL));
}

/* First something that does not do, then what does. */
static void make_true(struct books *books, enum condition_kind kind) {
  hf_value item;
  switch (kind) {
    case KEY_EQUALS:
      expect_ok(hf_dict_set(books->dict, hf_text("k"), hf_int(1)));
      expect_ok(hf_dict_set(books->dict, hf_text("k"), hf_int(2)));
      break;
    case NO_KEY:
      expect_ok(hf_dict_set(books->dict, hf_text("gone"), hf_int(2)));
      expect_ok(hf_dict_delete(books->dict, hf_text("gone")));
      break;
    case LENGTH:
      expect_ok(hf_list_append(books->list, hf_int(1)));
      expect_ok(hf_list_extend(books->list, (hf_value[]){hf_int(1), hf_int(2)}, 2));
      break;
    case ROOM:
      expect_ok(hf_queue_get(books->queue, 0, &item));
      break;
    case AT_LEAST:
      expect_ok(hf_cell_set(books->cell, hf_int(9)));
      expect_ok(hf_cell_add(books->cell, hf_int(1), NULL));
      break;
    case FREE:
      expect_ok(hf_lock_release(books->lock));
      break;
    default:
      expect_ok(hf_event_set(books->event));
      break;
  }
}

struct committer {
  struct books *books;
  enum condition_kind kind;
};

static void *commit_when_true(void *argument) {
  struct committer *committer = argument;
  if (hf_transaction_begin(world.conn) != HF_OK ||
      require_one(committer->books, committer->kind) != HF_OK ||
      add_n(committer->books->dict, 1) != HF_OK) {
    return (void *)1;
  }
  return (void *)(intptr_t)hf_transaction_commit(world.conn, 5000, NULL);
}

static void test_transaction_waits_until_its_conditions_hold(void **state) {
  (void)state;
  for (int kind = 0; kind < CONDITION_COUNT; kind++) {
    struct books books = books_open();
    struct committer committer = {&books, (enum condition_kind)kind};
    pthread_t thread;
    void *status;
    size_t part = 99;
    make_all_false(&books);
    expect_ok(hf_transaction_begin(world.conn));
    expect_ok(require_one(&books, committer.kind));
    expect_fails(hf_transaction_commit(world.conn, 0, &part), ABORTED, CONDITION_NOT_MET);
    assert_int_equal(part, 1);
    expect_ok(hf_transaction_begin(world.conn));
    expect_ok(require_one(&books, committer.kind));
    expect_fails(hf_transaction_commit(world.conn, 20, &part), DEADLINE_EXCEEDED,
                 CONDITION_NOT_MET);
    assert_int_equal(part, 1);
    assert_int_equal(pthread_create(&thread, NULL, commit_when_true, &committer), 0);
    await_waiting(1);
    make_true(&books, committer.kind);
    pthread_join(thread, &status);
    assert_int_equal((intptr_t)status, HF_OK);
    expect_n(books.dict, 1);
    assert_int_equal(waiting_count(), 0);
    books_close(&books);
  }
}

static void test_transaction_under_a_lost_lock_is_refused(void **state) {
  struct books books = books_open();
  struct hf_grant first, second;
  size_t part;
  (void)state;
  expect_ok(hf_lock_acquire(books.lock, 0, &first));
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(hf_require_owned(books.lock, first.token));
  expect_ok(add_n(books.dict, 1));
  expect_ok(hf_transaction_commit(world.conn, 0, NULL));
  expect_ok(hf_lock_release(books.lock));
  expect_ok(hf_lock_acquire(books.lock, 0, &second));
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(hf_require_owned(books.lock, first.token));
  expect_ok(add_n(books.dict, 1));
  expect_fails(hf_transaction_commit(world.conn, HF_FOREVER, &part), FAILED_PRECONDITION,
               TOKEN_STALE);
  assert_int_equal(part, 1);
  expect_n(books.dict, 1);
  books_close(&books);
}

/* ---------------------------------------------------------------- what a transaction can't have */

static void test_transaction_refuses_what_it_cannot_undo(void **state) {
  struct books books = books_open();
  hf_value *keys;
  size_t count, part;
  (void)state;
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(add_n(books.dict, 1));
  expect_ok(hf_dict_keys(books.dict, &keys, &count));
  expect_fails(hf_transaction_commit(world.conn, 0, &part), INVALID_ARGUMENT, NOT_NESTABLE);
  assert_int_equal(part, 2);
  expect_fails(hf_dict_delete(books.dict, hf_text("n")), NOT_FOUND, NO_SUCH_KEY);
  expect_ok(hf_transaction_begin(world.conn));
  expect_fails(hf_transaction_commit(world.conn, 0, &part), INVALID_ARGUMENT, BAD_ARGUMENT);
  assert_int_equal(part, 0);
  books_close(&books);
}

static void test_transaction_fails_with_a_part_that_could_not_be_added(void **state) {
  const hf_value bad = {.type = (hf_type)99};
  struct books books = books_open();
  size_t part;
  (void)state;
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(add_n(books.dict, 1));
  expect_fails(hf_dict_set(books.dict, hf_text("n"), bad), INVALID_ARGUMENT, BAD_VALUE);
  expect_ok(hf_require_set(books.event));
  expect_fails(hf_transaction_commit(world.conn, 0, &part), INVALID_ARGUMENT, BAD_VALUE);
  assert_int_equal(part, 3);
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(add_n(books.dict, 1));
  expect_ok(hf_require_set(books.event));
  expect_fails(hf_require_at_least(books.cell, bad), INVALID_ARGUMENT, BAD_VALUE);
  expect_fails(hf_require_equal(books.dict, bad, NULL), INVALID_ARGUMENT, BAD_VALUE);
  expect_fails(hf_transaction_commit(world.conn, 0, &part), INVALID_ARGUMENT, BAD_VALUE);
  assert_int_equal(part, 2);
  expect_fails(hf_dict_delete(books.dict, hf_text("n")), NOT_FOUND, NO_SUCH_KEY);
  books_close(&books);
}

static void test_transaction_that_is_too_big_is_refused(void **state) {
  const size_t size = 9u << 20;
  char *big = calloc(1, size);
  struct books books = books_open();
  size_t part;
  (void)state;
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(hf_dict_set(books.dict, hf_text("n"), hf_bytes(big, size)));
  expect_fails(hf_dict_set(books.dict, hf_text("m"), hf_bytes(big, size)), RESOURCE_EXHAUSTED,
               REQUEST_TOO_BIG);
  expect_fails(hf_transaction_commit(world.conn, 0, &part), RESOURCE_EXHAUSTED, REQUEST_TOO_BIG);
  assert_int_equal(part, 2);
  free(big);
  books_close(&books);
}

static void test_transaction_has_to_be_begun_and_is_open_once(void **state) {
  struct books books = books_open();
  (void)state;
  expect_fails(hf_transaction_commit(world.conn, 0, NULL), FAILED_PRECONDITION, );
  expect_fails(hf_require_set(books.event), FAILED_PRECONDITION, );
  expect_ok(hf_wait_any_begin(world.conn));
  expect_fails(hf_require_set(books.event), FAILED_PRECONDITION, );
  hf_transaction_drop(world.conn);
  hf_transaction_drop(world.conn);
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(add_n(books.dict, 1));
  expect_fails(hf_transaction_begin(world.conn), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_fails(hf_pipeline_begin(world.conn, 0), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_fails(hf_oneway_begin(world.conn), FAILED_PRECONDITION, ALREADY_OPEN);
  hf_transaction_drop(world.conn);
  expect_fails(hf_dict_delete(books.dict, hf_text("n")), NOT_FOUND, NO_SUCH_KEY);
  expect_ok(hf_oneway_begin(world.conn));
  expect_fails(hf_transaction_begin(world.conn), FAILED_PRECONDITION, ALREADY_OPEN);
  expect_ok(hf_oneway_end(world.conn));
  books_close(&books);
}

static void test_transaction_open_when_its_connection_closes_is_forgotten(void **state) {
  hf_conn *conn = connect_again(0);
  hf_dict *dict;
  (void)state;
  expect_ok(hf_dict_open(conn, "forgotten", &dict));
  expect_ok(hf_transaction_begin(conn));
  expect_ok(add_n(dict, 1));
  hf_dict_close(dict);
  hf_close(conn);
  expect_ok(hf_dict_open(world.conn, "forgotten", &dict));
  expect_fails(hf_dict_delete(dict, hf_text("n")), NOT_FOUND, NO_SUCH_KEY);
  hf_dict_close(dict);
  expect_ok(hf_delete(world.conn, "forgotten"));
}

static void test_transaction_delivers_references_once(void **state) {
  struct books books = books_open();
  uint64_t before = object_count();
  hf_value values[2];
  hf_list *list;
  (void)state;
  expect_ok(hf_list_open(world.conn, NULL, &list));
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(hf_dict_set(books.dict, hf_text("n"), hf_reference(HF_AS_OBJECT(list))));
  expect_ok(hf_dict_get(books.dict, hf_text("n"), &values[0]));
  expect_ok(hf_dict_pop(books.dict, hf_text("n"), NULL, &values[1]));
  expect_ok(hf_dict_set(books.dict, hf_text("n"), hf_reference(HF_AS_OBJECT(list))));
  expect_ok(hf_dict_pop(books.dict, hf_text("n"), NULL, NULL)); /* no waiter takes it */
  expect_ok(hf_transaction_commit(world.conn, 0, NULL));
  hf_list_close(list);
  assert_int_equal(object_count(), before + 1);
  hf_value_clear(&values[0]);
  assert_int_equal(object_count(), before + 1);
  hf_value_clear(&values[1]);
  assert_int_equal(object_count(), before);
  books_close(&books);
}

/* ---------------------------------------------------------------- processes and threads */

static int committed_nothing(void *dict) {
  bool ended = hf_transaction_commit(world.conn, 0, NULL) == HF_FAILED_PRECONDITION;
  return ended && add_n(dict, 10) == HF_OK ? 0 : 1; /* at once */
}

static void test_transaction_of_the_parent_is_not_the_childs(void **state) {
  struct books books = books_open();
  (void)state;
  expect_ok(hf_transaction_begin(world.conn));
  expect_ok(add_n(books.dict, 1));
  assert_int_equal(child_end(child_start(committed_nothing, books.dict)), 0);
  expect_ok(hf_transaction_commit(world.conn, 0, NULL));
  expect_n(books.dict, 11);
  books_close(&books);
}

static void *swap_often(void *argument) {
  struct books *books = argument;
  for (int i = 0; i < 300; i++) {
    hf_value item;
    hf_status status = hf_transaction_begin(world.conn);
    status |= hf_require_length(HF_AS_OBJECT(books->queue), 1);
    status |= hf_queue_get(books->queue, 0, &item);
    status |= add_n(books->dict, 1);
    if (status != HF_OK || hf_transaction_commit(world.conn, 10000, NULL) != HF_OK ||
        hf_queue_put(books->queue, item, HF_FOREVER) != HF_OK) {
      return (void *)1;
    }
    hf_value_clear(&item);
  }
  return NULL;
}

static void test_transaction_threads_wait_for_each_other(void **state) {
  struct books books = books_open();
  pthread_t threads[4];
  (void)state;
  expect_ok(hf_queue_put(books.queue, hf_text("the only one"), 0));
  for (int i = 0; i < 4; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, swap_often, &books), 0);
  }
  for (int i = 0; i < 4; i++) {
    void *result;
    pthread_join(threads[i], &result);
    assert_null(result);
  }
  expect_n(books.dict, 4 * 300);
  books_close(&books);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_transaction_does_all_and_sets_every_result),
    cmocka_unit_test(test_transaction_that_fails_leaves_nothing),
    cmocka_unit_test(test_transaction_never_waits_for_an_operation),
    cmocka_unit_test(test_transaction_conditions_hold_or_are_named),
    cmocka_unit_test(test_transaction_waits_until_its_conditions_hold),
    cmocka_unit_test(test_transaction_under_a_lost_lock_is_refused),
    cmocka_unit_test(test_transaction_refuses_what_it_cannot_undo),
    cmocka_unit_test(test_transaction_fails_with_a_part_that_could_not_be_added),
    cmocka_unit_test(test_transaction_that_is_too_big_is_refused),
    cmocka_unit_test(test_transaction_has_to_be_begun_and_is_open_once),
    cmocka_unit_test(test_transaction_open_when_its_connection_closes_is_forgotten),
    cmocka_unit_test(test_transaction_delivers_references_once),
    cmocka_unit_test(test_transaction_of_the_parent_is_not_the_childs),
    cmocka_unit_test(test_transaction_threads_wait_for_each_other),
};

WORLD_MAIN("transaction", tests)
