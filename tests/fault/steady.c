/* See steady.h. */
#include "tests/fault/steady.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "tests/fault/attacker.h"
#include "tests/fault/crowd.h"
#include "tests/support/random.h"

#define LONG_MS 120000
#define WAIT_MS 200
#define BURST_COUNT 16
#define ITEM_BITS 16

struct steady {
  struct steady_board *board;
  struct random randomness;
  int idx;
  hf_conn *conn;
  hf_dict *counters, *one_way, *accounts;
  hf_list *list;
  hf_queue *queue;
  hf_lock *lock;
  hf_cell *cell;
  int64_t puts_count;
};

struct steady_board *steady_board_new(uint64_t seed) {
  struct steady_board *board =
      mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(board, MAP_FAILED);
  board->seed = seed;
  return board;
}

/* ---------------------------------------------------------------- operations */

static bool report(const struct steady *steady, const char *what) {
  (void)crowd_fail(what, steady->idx);
  return false;
}

static bool report_number(const struct steady *steady, const char *what, int64_t found,
                          int64_t wanted) {
  fprintf(stderr, "steady %d: %s: %lld instead of %lld\n", steady->idx, what, (long long)found,
          (long long)wanted);
  return false;
}

static int64_t done(const struct steady *steady, enum steady_operation operation) {
  return (int64_t)atomic_load(&steady->board->done[steady->idx][operation]);
}

static void record(struct steady *steady, enum steady_operation operation, unsigned count) {
  atomic_fetch_add(&steady->board->done[steady->idx][operation], count);
}

static uint64_t below(struct steady *steady, uint64_t limit) {
  return random_below(&steady->randomness, limit);
}

/* The sum is that of what was acknowledged. */
static bool is_next(struct steady *steady, enum steady_operation operation, hf_value *sum,
                    const char *what) {
  int64_t wanted = done(steady, operation) + 1, found = sum->integer;
  hf_value_clear(sum);
  record(steady, operation, 1);
  return found == wanted || report_number(steady, what, found, wanted);
}

static bool add(struct steady *steady) {
  hf_value sum = hf_none();
  if (hf_dict_add(steady->counters, hf_int(steady->idx), hf_int(1), &sum) != HF_OK) {
    return report(steady, "add");
  }
  return is_next(steady, STEADY_ADD, &sum, "the counter");
}

/* All under way at once. */
static bool add_many(struct steady *steady) {
  hf_value sums[BURST_COUNT];
  if (hf_pipeline_begin(steady->conn, 0) != HF_OK) {
    return report(steady, "pipeline");
  }
  for (int i = 0; i < BURST_COUNT; i++) {
    sums[i] = hf_none();
    hf_kept(hf_dict_add(steady->counters, hf_int(steady->idx), hf_int(1), &sums[i]));
  }
  if (hf_pipeline_end(steady->conn, NULL) != HF_OK) {
    return report(steady, "pipeline");
  }
  bool is_right = true;
  for (int i = 0; i < BURST_COUNT; i++) {
    is_right = is_next(steady, STEADY_ADD, &sums[i], "the counter, pipelined") && is_right;
  }
  return is_right;
}

static bool append(struct steady *steady) {
  if (hf_list_append(steady->list, hf_int(done(steady, STEADY_APPEND))) != HF_OK) {
    return report(steady, "append");
  }
  record(steady, STEADY_APPEND, 1);
  return true;
}

static bool add_to_cell(struct steady *steady) {
  hf_value sum = hf_none();
  if (hf_cell_add(steady->cell, hf_int(1), &sum) != HF_OK) {
    return report(steady, "add to a value");
  }
  return is_next(steady, STEADY_CELL, &sum, "the value");
}

static bool add_one_way(struct steady *steady) {
  struct hf_flush_result result;
  hf_status status = hf_oneway_begin(steady->conn);
  for (int i = 0; i < BURST_COUNT && status == HF_OK; i++) {
    status = hf_dict_add(steady->one_way, hf_int(steady->idx), hf_int(1), NULL);
  }
  hf_status ended = hf_oneway_end(steady->conn);
  status = status == HF_OK ? ended : status;
  if (status != HF_OK || hf_flush(steady->conn, LONG_MS, &result) != HF_OK) {
    return report(steady, "one-way");
  }
  record(steady, STEADY_ONE_WAY, BURST_COUNT);
  return result.failed == 0 ||
         report_number(steady, "failed one-way calls", (int64_t)result.failed, 0);
}

static bool transfer(struct steady *steady) {
  int64_t from = (int64_t)below(steady, STEADY_ACCOUNTS),
          to = (int64_t)below(steady, STEADY_ACCOUNTS);
  int64_t amount = 1 + (int64_t)below(steady, 100);
  if (hf_transaction_begin(steady->conn) != HF_OK) {
    return report(steady, "transaction");
  }
  hf_kept(hf_dict_add(steady->accounts, hf_int(from), hf_int(-amount), NULL));
  hf_kept(hf_dict_add(steady->accounts, hf_int(to), hf_int(amount), NULL));
  hf_kept(hf_dict_add(steady->accounts, hf_int(-1 - steady->idx), hf_int(1), NULL));
  if (hf_transaction_commit(steady->conn, 0, NULL) != HF_OK) {
    return report(steady, "commit");
  }
  record(steady, STEADY_TRANSFER, 1);
  return true;
}

static bool put(struct steady *steady) {
  int64_t item = (int64_t)steady->idx << ITEM_BITS | steady->puts_count;
  if (steady->puts_count == STEADY_ITEMS_EACH) {
    return true;
  }
  if (hf_queue_put(steady->queue, hf_int(item), HF_FOREVER) != HF_OK) {
    return report(steady, "put");
  }
  steady->puts_count++;
  record(steady, STEADY_PUT, 1);
  return true;
}

static bool take(struct steady *steady, enum steady_operation operation, hf_value *value) {
  int64_t item = value->integer;
  hf_value_clear(value);
  record(steady, operation, 1);
  unsigned before = atomic_fetch_add(&steady->board->taken[item], 1);
  return before == 0 || report_number(steady, "an item came out again", item, 0);
}

static bool is_empty(void) {
  return strcmp(hf_last_error()->reason, "QUEUE_EMPTY") == 0;
}

static bool get(struct steady *steady) {
  hf_value value;
  if (hf_queue_get(steady->queue, below(steady, 2) == 0 ? 0 : WAIT_MS, &value) != HF_OK) {
    return is_empty() || report(steady, "get");
  }
  return take(steady, STEADY_GET, &value);
}

static bool reserve(struct steady *steady) {
  struct hf_reservation reservation;
  if (hf_queue_reserve(steady->queue, 0, 0, &reservation) != HF_OK) {
    return is_empty() || report(steady, "reserve");
  }
  if (reservation.tries != 0) {
    return report_number(steady, "tries of a reservation", (int64_t)reservation.tries, 0);
  }
  bool is_right = add(steady) && take(steady, STEADY_RESERVE, &reservation.value);
  return (hf_queue_ack(steady->queue, reservation.id) == HF_OK || report(steady, "ack")) &&
         is_right;
}

static bool own_lock(struct steady *steady) {
  struct steady_board *board = steady->board;
  struct hf_grant grant;
  if (hf_lock_acquire(steady->lock, HF_FOREVER, &grant) != HF_OK) {
    return report(steady, "acquire");
  }
  int owner = atomic_exchange(&board->owner, steady->idx + 1);
  uint64_t token = atomic_exchange(&board->token, grant.token);
  bool is_right = true;
  if (owner != 0) {
    is_right = report_number(steady, "the lock's owner", owner, 0);
  } else if (grant.token <= token || grant.owner_died) {
    is_right = report_number(steady, "the token", (int64_t)grant.token, (int64_t)token + 1);
  }
  is_right = add(steady) && is_right;
  atomic_store(&board->owner, 0);
  if (hf_lock_release_token(steady->lock, grant.token) != HF_OK) {
    return report(steady, "release");
  }
  record(steady, STEADY_LOCK, 1);
  return is_right;
}

/* ---------------------------------------------------------------- the client */

static bool open_all(struct steady *steady) {
  char list[32], cell[32];
  snprintf(list, sizeof list, "steady-list-%d", steady->idx);
  snprintf(cell, sizeof cell, "steady-value-%d", steady->idx);
  return (hf_dict_open(steady->conn, "steady-counters", &steady->counters) == HF_OK &&
          hf_dict_open(steady->conn, "steady-one-way", &steady->one_way) == HF_OK &&
          hf_dict_open(steady->conn, "steady-accounts", &steady->accounts) == HF_OK &&
          hf_list_open(steady->conn, list, &steady->list) == HF_OK &&
          hf_queue_open(steady->conn, "steady-work", 0, &steady->queue) == HF_OK &&
          hf_lock_open(steady->conn, "steady-lock", &steady->lock) == HF_OK &&
          hf_cell_open(steady->conn, cell, 'q', hf_int(0), &steady->cell) == HF_OK) ||
         report(steady, "open");
}

static void close_all(struct steady *steady) {
  hf_dict_close(steady->counters);
  hf_dict_close(steady->one_way);
  hf_dict_close(steady->accounts);
  hf_list_close(steady->list);
  hf_queue_close(steady->queue);
  hf_lock_close(steady->lock);
  hf_cell_close(steady->cell);
}

static void record_time(struct steady_board *board, int64_t took_ms) {
  unsigned long long longest_ms = atomic_load(&board->longest_ms);
  while (
      (unsigned long long)took_ms > longest_ms &&
      !atomic_compare_exchange_weak(&board->longest_ms, &longest_ms, (unsigned long long)took_ms)) {
  }
}

int steady_run(const char *url, int idx, void *arg) {
  static bool (*const operations[])(struct steady *) = {
      add, add_many, append, add_to_cell, add_one_way, transfer, put, put, get, reserve, own_lock};
  struct steady steady = {.board = arg, .idx = idx};
  steady.randomness = (struct random){steady.board->seed + 104729 * (uint64_t)(idx + 1)};
  steady.conn = crowd_connect(url, LONG_MS, LONG_MS);
  bool is_right = open_all(&steady);
  while (is_right && !atomic_load(&steady.board->stop)) {
    int64_t begun_ms = attacker_now_ms();
    is_right = operations[below(&steady, sizeof operations / sizeof *operations)](&steady);
    record_time(steady.board, attacker_now_ms() - begun_ms);
  }
  atomic_fetch_add(&steady.board->in_shared_memory,
                   strcmp(hf_conn_path(steady.conn), "shared memory") == 0);
  close_all(&steady);
  hf_close(steady.conn);
  return is_right ? CROWD_DONE : CROWD_FAILED;
}

/* ---------------------------------------------------------------- the end */

static int64_t number_at(hf_dict *dict, int64_t key) {
  hf_value value;
  hf_status status = hf_dict_get(dict, hf_int(key), &value);
  if (status == HF_NOT_FOUND) {
    return 0;
  }
  crowd_expect_ok(status, "get");
  int64_t number = value.integer;
  hf_value_clear(&value);
  return number;
}

static void expect_number(int idx, const char *what, int64_t found, int64_t wanted) {
  if (found != wanted) {
    fail_msg("client %d: %s: %lld instead of %lld", idx, what, (long long)found, (long long)wanted);
  }
}

static void verify_client(struct steady *steady) {
  int idx = steady->idx;
  hf_value *values;
  size_t count;
  int64_t number;
  expect_number(idx, "counter", number_at(steady->counters, idx), done(steady, STEADY_ADD));
  expect_number(idx, "one-way", number_at(steady->one_way, idx), done(steady, STEADY_ONE_WAY));
  expect_number(idx, "transfers", number_at(steady->accounts, -1 - idx),
                done(steady, STEADY_TRANSFER));
  crowd_expect_ok(hf_cell_get_int(steady->cell, &number), "value");
  expect_number(idx, "value", number, done(steady, STEADY_CELL));
  crowd_expect_ok(hf_list_copy(steady->list, &values, &count), "copy");
  expect_number(idx, "list", (int64_t)count, done(steady, STEADY_APPEND));
  for (size_t i = 0; i < count; i++) {
    expect_number(idx, "an item of the list", values[i].integer, (int64_t)i);
  }
  hf_values_free(values, count);
}

/* What is left comes out too; then each item has come out once. */
static void verify_queue(struct steady *steady, int clients_count) {
  hf_value value;
  uint64_t left_count = 0;
  while (hf_queue_get(steady->queue, 0, &value) == HF_OK) {
    atomic_fetch_add(&steady->board->taken[value.integer], 1);
    hf_value_clear(&value);
    left_count++;
  }
  assert_true(is_empty());
  print_message("%llu items were left\n", (unsigned long long)left_count);
  for (int64_t idx = 0; idx < clients_count; idx++) {
    int64_t puts_count = (int64_t)atomic_load(&steady->board->done[idx][STEADY_PUT]);
    for (int64_t i = 0; i < STEADY_ITEMS_EACH; i++) {
      unsigned taken = atomic_load(&steady->board->taken[idx << ITEM_BITS | i]);
      expect_number((int)idx, "times that an item came out", taken, i < puts_count);
    }
  }
}

static void print_counts(const struct steady_board *board, int clients_count) {
  static const char *const names[STEADY_OPERATIONS] = {"adds",    "appends",      "to values",
                                                       "one-way", "transactions", "puts",
                                                       "gets",    "reservations", "locks"};
  for (int operation = 0; operation < STEADY_OPERATIONS; operation++) {
    unsigned long long count = 0;
    for (int idx = 0; idx < clients_count; idx++) {
      count += atomic_load(&board->done[idx][operation]);
    }
    print_message("%llu %s%s", count, names[operation],
                  operation + 1 < STEADY_OPERATIONS ? ", " : "");
    assert_true(count > 0);
  }
  print_message("; the longest took %llu ms; %d of %d clients in shared memory at the end\n",
                atomic_load(&board->longest_ms), atomic_load(&board->in_shared_memory),
                clients_count);
}

void steady_verify(struct steady_board *board, const char *url, int clients_count) {
  struct steady steady = {.board = board};
  int64_t sum = 0;
  print_counts(board, clients_count);
  crowd_expect_ok(hf_connect(url, NULL, &steady.conn), "connect");
  for (; steady.idx < clients_count; steady.idx++) {
    assert_true(open_all(&steady));
    verify_client(&steady);
    if (steady.idx + 1 < clients_count) {
      close_all(&steady);
    }
  }
  for (int64_t account = 0; account < STEADY_ACCOUNTS; account++) {
    sum += number_at(steady.accounts, account);
  }
  assert_int_equal(sum, 0);
  verify_queue(&steady, clients_count);
  close_all(&steady);
  hf_close(steady.conn);
}
