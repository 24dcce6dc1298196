/* See workload.h. */
#include "tests/fault/workload.h"

#include "tests/fault/attacker.h"
#include "tests/fault/crowd.h"
#include "tests/support/random.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_TIMEOUT_MS 700
#define CONNECT_TIMEOUT_MS 60000
#define GRACE_MS 5000
#define EPOCH_CALLS 300
#define KEYS_COUNT 8
#define CELLS_COUNT 4
#define QUEUES_COUNT 3
#define LOCKS_COUNT 2
#define BOUNDED_MAXSIZE 20
#define SHORT_WAIT_MS 20
#define BATCH_COUNT 3
#define LOCK_WAIT_MS 300
#define NUMBERS_COUNT 5 /* few, so that compare-and-set succeeds now and then */
#define FINISHER 1000000

struct client {
  struct history history;
  struct random randomness;
  const char *url;
  hf_conn *conn;
  hf_dict *dict;
  hf_queue *queues[QUEUES_COUNT];
  hf_lock *locks[LOCKS_COUNT];
  hf_cell *cells[CELLS_COUNT];
  uint64_t epoch;
  int64_t puts_count;
  bool has_failed;
};

/* ---------------------------------------------------------------- connections */

static bool open_cell(struct client *client, uint64_t number, hf_cell **cell) {
  char name[32];
  snprintf(name, sizeof(name), "cell-%llu", (unsigned long long)number);
  return hf_cell_open(client->conn, name, 'q', hf_int(0), cell) == HF_OK;
}

static bool open_cells(struct client *client) {
  for (uint64_t i = 0; i < CELLS_COUNT; i++) {
    hf_cell_close(client->cells[i]);
    client->cells[i] = NULL;
    if (!open_cell(client, client->epoch * CELLS_COUNT + i, &client->cells[i])) {
      return false;
    }
  }
  return true;
}

static bool open_all(struct client *client) {
  char name[32];
  if (hf_dict_open(client->conn, "entries", &client->dict) != HF_OK) {
    return false;
  }
  for (int i = 0; i < QUEUES_COUNT; i++) {
    snprintf(name, sizeof(name), "queue-%d", i);
    int64_t maxsize = i == 0 ? BOUNDED_MAXSIZE : 0;
    if (hf_queue_open(client->conn, name, maxsize, &client->queues[i]) != HF_OK) {
      return false;
    }
  }
  for (int i = 0; i < LOCKS_COUNT; i++) {
    snprintf(name, sizeof(name), "lock-%d", i);
    if (hf_lock_open(client->conn, name, &client->locks[i]) != HF_OK) {
      return false;
    }
  }
  return open_cells(client);
}

static void disconnect(struct client *client) {
  hf_dict_close(client->dict);
  for (int i = 0; i < QUEUES_COUNT; i++) {
    hf_queue_close(client->queues[i]);
    client->queues[i] = NULL;
  }
  for (int i = 0; i < LOCKS_COUNT; i++) {
    hf_lock_close(client->locks[i]);
    client->locks[i] = NULL;
  }
  for (int i = 0; i < CELLS_COUNT; i++) {
    hf_cell_close(client->cells[i]);
    client->cells[i] = NULL;
  }
  hf_close(client->conn);
  client->dict = NULL;
  client->conn = NULL;
}

/* Tries until it works: the network is bad. */
static void connect_anew(struct client *client) {
  const struct hf_options options = {.call_timeout_ms = CALL_TIMEOUT_MS, .grace_ms = GRACE_MS};
  int64_t deadline_ms = attacker_now_ms() + CONNECT_TIMEOUT_MS;
  while (attacker_now_ms() < deadline_ms) {
    disconnect(client);
    if (hf_connect(client->url, &options, &client->conn) == HF_OK && open_all(client)) {
      return;
    }
  }
  crowd_fail("connect", (int)client->history.process);
  client->has_failed = true;
}

/* ---------------------------------------------------------------- outcomes */

static bool is_reason(const char *reason) {
  return strcmp(hf_last_error()->reason, reason) == 0;
}

/* What a status says about the call; `refusals` are the reasons that are answers too. */
static enum history_outcome outcome_of(struct client *client, hf_status status,
                                       const char *const *refusals) {
  if (status == HF_OK) {
    return HISTORY_DONE;
  }
  for (; refusals != NULL && *refusals != NULL; refusals++) {
    if (is_reason(*refusals)) {
      return HISTORY_REFUSED;
    }
  }
  if (is_reason("SESSION_ENDED")) {
    connect_anew(client);
  } else if (status != HF_UNAVAILABLE) {
    crowd_fail("unexpected", (int)client->history.process);
    client->has_failed = true;
  }
  return HISTORY_UNKNOWN;
}

static const char *const no_key[] = {"NO_SUCH_KEY", NULL};
static const char *const queue_empty[] = {"QUEUE_EMPTY", NULL};
static const char *const queue_full[] = {"QUEUE_FULL", NULL};
static const char *const lock_held[] = {"LOCK_HELD", NULL};
static const char *const lock_lost[] = {"TOKEN_STALE", "NOT_LOCKED", NULL};

static uint64_t below(struct client *client, uint64_t limit) {
  return random_below(&client->randomness, limit);
}

static int64_t some_number(struct client *client) {
  return (int64_t)below(client, NUMBERS_COUNT);
}

static int64_t take_number(hf_status status, hf_value *value) {
  int64_t number = HISTORY_ABSENT;
  if (status == HF_OK && value->type == HF_TYPE_INT) {
    number = value->integer;
    hf_value_clear(value);
  }
  return number;
}

/* ---------------------------------------------------------------- entries */

static void get_entry(struct client *client, uint64_t key) {
  struct history_record *record =
      history_invoke(&client->history, HISTORY_GET, history_subject(HISTORY_ENTRY, key), 0, 0);
  hf_value value;
  hf_status status = hf_dict_get(client->dict, hf_int((int64_t)key), &value);
  int64_t found = take_number(status, &value);
  history_return(record, outcome_of(client, status, no_key), found);
}

static void set_entry(struct client *client, uint64_t key) {
  int64_t number = some_number(client);
  struct history_record *record =
      history_invoke(&client->history, HISTORY_SET, history_subject(HISTORY_ENTRY, key), number, 0);
  hf_status status = hf_dict_set(client->dict, hf_int((int64_t)key), hf_int(number));
  history_return(record, outcome_of(client, status, NULL), 0);
}

static void delete_entry(struct client *client, uint64_t key) {
  struct history_record *record =
      history_invoke(&client->history, HISTORY_DELETE, history_subject(HISTORY_ENTRY, key), 0, 0);
  hf_status status = hf_dict_delete(client->dict, hf_int((int64_t)key));
  history_return(record, outcome_of(client, status, no_key), 0);
}

static void add_to_entry(struct client *client, uint64_t key) {
  int64_t amount = 1 + some_number(client);
  struct history_record *record =
      history_invoke(&client->history, HISTORY_ADD, history_subject(HISTORY_ENTRY, key), amount, 0);
  hf_value sum;
  hf_status status = hf_dict_add(client->dict, hf_int((int64_t)key), hf_int(amount), &sum);
  int64_t number = take_number(status, &sum);
  history_return(record, outcome_of(client, status, NULL), number);
}

static void swap_entry(struct client *client, uint64_t key) {
  int64_t desired = some_number(client);
  bool wants_absent = below(client, 4) == 0, swapped;
  int64_t expected = wants_absent ? HISTORY_ABSENT : some_number(client);
  hf_value expected_value = hf_int(expected), desired_value = hf_int(desired), found;
  struct history_record *record =
      history_invoke(&client->history, HISTORY_COMPARE_AND_SET, history_subject(HISTORY_ENTRY, key),
                     desired, expected);
  hf_status status = hf_dict_compare_and_set(client->dict, hf_int((int64_t)key),
                                             wants_absent ? NULL : &expected_value, &desired_value,
                                             &swapped, &found);
  int64_t number = take_number(status, &found);
  enum history_outcome outcome = outcome_of(client, status, NULL);
  history_return(record, outcome == HISTORY_DONE && !swapped ? HISTORY_REFUSED : outcome, number);
}

/* One add to each entry of the epoch, all under way at once. */
static void add_to_all_entries(struct client *client) {
  struct history_record *records[KEYS_COUNT];
  hf_value sums[KEYS_COUNT];
  hf_status status = hf_pipeline_begin(client->conn, 0);
  for (uint64_t i = 0; i < KEYS_COUNT; i++) {
    uint64_t key = client->epoch * KEYS_COUNT + i;
    records[i] =
        history_invoke(&client->history, HISTORY_ADD, history_subject(HISTORY_ENTRY, key), 1, 0);
    sums[i] = hf_none();
    hf_kept(hf_dict_add(client->dict, hf_int((int64_t)key), hf_int(1), &sums[i]));
  }
  status = status == HF_OK ? hf_pipeline_end(client->conn, NULL) : status;
  for (uint64_t i = 0; i < KEYS_COUNT; i++) {
    bool is_done = sums[i].type == HF_TYPE_INT;
    int64_t sum = is_done ? take_number(HF_OK, &sums[i]) : 0;
    history_return(records[i], is_done ? HISTORY_DONE : HISTORY_UNKNOWN, sum);
  }
  (void)outcome_of(client, status, NULL);
}

static void call_entry(struct client *client) {
  uint64_t key = client->epoch * KEYS_COUNT + below(client, KEYS_COUNT);
  static void (*const calls[])(struct client *, uint64_t) = {
      get_entry, get_entry, set_entry, add_to_entry, swap_entry, swap_entry, delete_entry};
  calls[below(client, sizeof(calls) / sizeof(calls[0]))](client, key);
}

/* ---------------------------------------------------------------- values */

static void get_cell(struct client *client, hf_cell *cell, uint64_t subject) {
  struct history_record *record = history_invoke(&client->history, HISTORY_GET, subject, 0, 0);
  int64_t number = 0;
  hf_status status = hf_cell_get_int(cell, &number);
  history_return(record, outcome_of(client, status, NULL), number);
}

static void set_cell(struct client *client, hf_cell *cell, uint64_t subject) {
  int64_t number = some_number(client);
  struct history_record *record = history_invoke(&client->history, HISTORY_SET, subject, number, 0);
  history_return(record, outcome_of(client, hf_cell_set(cell, hf_int(number)), NULL), 0);
}

static void add_to_cell(struct client *client, hf_cell *cell, uint64_t subject) {
  int64_t amount = 1 + some_number(client);
  struct history_record *record = history_invoke(&client->history, HISTORY_ADD, subject, amount, 0);
  hf_value sum;
  hf_status status = hf_cell_add(cell, hf_int(amount), &sum);
  int64_t number = take_number(status, &sum);
  history_return(record, outcome_of(client, status, NULL), number);
}

static void swap_cell(struct client *client, hf_cell *cell, uint64_t subject) {
  int64_t expected = some_number(client), desired = some_number(client);
  struct history_record *record =
      history_invoke(&client->history, HISTORY_COMPARE_AND_SET, subject, desired, expected);
  bool swapped;
  hf_value found;
  hf_status status =
      hf_cell_compare_and_set(cell, hf_int(expected), hf_int(desired), &swapped, &found);
  int64_t number = take_number(status, &found);
  enum history_outcome outcome = outcome_of(client, status, NULL);
  history_return(record, outcome == HISTORY_DONE && !swapped ? HISTORY_REFUSED : outcome, number);
}

static void call_cell(struct client *client) {
  uint64_t idx = below(client, CELLS_COUNT);
  uint64_t subject = history_subject(HISTORY_CELL, client->epoch * CELLS_COUNT + idx);
  static void (*const calls[])(struct client *, hf_cell *, uint64_t) = {get_cell, set_cell,
                                                                        add_to_cell, swap_cell};
  calls[below(client, sizeof(calls) / sizeof(calls[0]))](client, client->cells[idx], subject);
}

/* ---------------------------------------------------------------- queues */

static void put_item(struct client *client) {
  uint64_t idx = below(client, QUEUES_COUNT);
  int64_t item = (int64_t)client->history.process << 32 | client->puts_count++;
  struct history_record *record =
      history_invoke(&client->history, HISTORY_PUT, history_subject(HISTORY_QUEUE, idx), item, 0);
  hf_status status = hf_queue_put(client->queues[idx], hf_int(item), SHORT_WAIT_MS);
  history_return(record, outcome_of(client, status, queue_full), 0);
}

/* Whether there was one. */
static bool take_item(struct client *client, uint64_t idx, int64_t timeout_ms) {
  struct history_record *record =
      history_invoke(&client->history, HISTORY_TAKE, history_subject(HISTORY_QUEUE, idx), 0, 0);
  hf_value value;
  hf_status status = hf_queue_get(client->queues[idx], timeout_ms, &value);
  int64_t item = take_number(status, &value);
  enum history_outcome outcome = outcome_of(client, status, queue_empty);
  history_return(record, outcome, item);
  return outcome != HISTORY_REFUSED;
}

/* One call, written down as one for each item it may be about. */
static void put_many(struct client *client) {
  struct history_record *records[BATCH_COUNT] = {0};
  hf_value values[BATCH_COUNT];
  uint64_t idx = below(client, QUEUES_COUNT);
  size_t put_count = 0;
  for (size_t i = 0; i < BATCH_COUNT; i++) {
    values[i] = hf_int((int64_t)client->history.process << 32 | client->puts_count++);
    records[i] = history_invoke(&client->history, HISTORY_PUT, history_subject(HISTORY_QUEUE, idx),
                                values[i].integer, 0);
  }
  hf_status status =
      hf_queue_put_many(client->queues[idx], values, BATCH_COUNT, NULL, SHORT_WAIT_MS, &put_count);
  enum history_outcome outcome = outcome_of(client, status, queue_full);
  for (size_t i = 0; i < BATCH_COUNT; i++) {
    bool is_beyond = outcome == HISTORY_DONE && i >= put_count;
    history_return(records[i], is_beyond ? HISTORY_REFUSED : outcome, 0);
  }
}

static void take_many(struct client *client) {
  struct history_record *records[BATCH_COUNT] = {0};
  uint64_t idx = below(client, QUEUES_COUNT);
  hf_value *values = NULL;
  size_t count = 0;
  for (size_t i = 0; i < BATCH_COUNT; i++) {
    records[i] =
        history_invoke(&client->history, HISTORY_TAKE, history_subject(HISTORY_QUEUE, idx), 0, 0);
  }
  hf_status status =
      hf_queue_get_many(client->queues[idx], BATCH_COUNT, SHORT_WAIT_MS, &values, &count);
  enum history_outcome outcome = outcome_of(client, status, queue_empty);
  for (size_t i = 0; i < count; i++) {
    history_return(records[i], HISTORY_DONE, values[i].integer);
  }
  /* Fewer than asked for: the queue was empty after those, at a moment of its own. */
  for (size_t i = count; i < BATCH_COUNT; i++) {
    history_return(records[i], count > 0 ? HISTORY_REFUSED : outcome, 0);
  }
  hf_values_free(values, count);
}

static void take_one(struct client *client) {
  int64_t timeout_ms = below(client, 2) == 0 ? 0 : SHORT_WAIT_MS;
  (void)take_item(client, below(client, QUEUES_COUNT), timeout_ms);
}

static void call_queue(struct client *client) {
  static void (*const calls[])(struct client *) = {put_item, put_item, put_many,
                                                   take_one, take_one, take_many};
  calls[below(client, sizeof(calls) / sizeof(calls[0]))](client);
}

/* ---------------------------------------------------------------- locks */

static enum history_outcome release(struct client *client, hf_lock *lock, uint64_t subject,
                                    uint64_t token) {
  struct history_record *record =
      history_invoke(&client->history, HISTORY_RELEASE, subject, (int64_t)token, 0);
  enum history_outcome outcome = outcome_of(client, hf_lock_release_token(lock, token), lock_lost);
  history_return(record, outcome, 0);
  return outcome;
}

/* Owns a lock for some calls. A lock whose release fails is released again, unless it was lost. */
static void hold_lock(struct client *client) {
  uint64_t idx = below(client, LOCKS_COUNT);
  uint64_t subject = history_subject(HISTORY_LOCK, idx);
  struct hf_grant grant = {0};
  struct history_record *record = history_invoke(&client->history, HISTORY_ACQUIRE, subject, 0, 0);
  hf_status status = hf_lock_acquire(client->locks[idx], LOCK_WAIT_MS, &grant);
  enum history_outcome outcome = outcome_of(client, status, lock_held);
  history_return(record, outcome, (int64_t)grant.token);
  if (outcome != HISTORY_DONE) {
    return;
  }
  for (uint64_t i = below(client, 3); i > 0; i--) {
    call_entry(client);
  }
  do {
    outcome = release(client, client->locks[idx], subject, grant.token);
  } while (outcome == HISTORY_UNKNOWN && !client->has_failed);
}

/* ---------------------------------------------------------------- processes */

static void call_any(struct client *client) {
  static void (*const calls[])(struct client *) = {call_entry, call_entry, call_entry, call_cell,
                                                   call_cell,  call_queue, call_queue, call_queue};
  uint64_t dice = below(client, 100);
  if (dice < 3) {
    hold_lock(client);
  } else if (dice < 5) {
    add_to_all_entries(client);
  } else {
    calls[dice % (sizeof(calls) / sizeof(calls[0]))](client);
  }
}

static void enter_epoch(struct client *client, uint64_t epoch) {
  client->epoch = epoch;
  if (!open_cells(client)) {
    connect_anew(client);
  }
}

static void call_all(struct client *client, const struct workload *workload) {
  while (client->history.count < workload->operations && !client->has_failed &&
         (workload->stop == NULL || !atomic_load(workload->stop))) {
    uint64_t epoch = client->history.count / EPOCH_CALLS;
    if (epoch != client->epoch) {
      enter_epoch(client, epoch);
    }
    cutter_record_call(client->conn);
    call_any(client);
  }
}

int workload_run(const char *url, int idx, void *arg) {
  const struct workload *workload = arg;
  const size_t room_for_last = 2 * KEYS_COUNT;
  struct client client = {.url = url, .randomness = {workload->seed + (uint64_t)idx * 7919}};
  history_open(&client.history, workload->directory, (uint32_t)idx,
               2 * workload->operations + room_for_last);
  connect_anew(&client);
  if (workload->cutter == NULL) {
    call_all(&client, workload);
  } else if (!client.has_failed) {
    cutter_start(workload->cutter, idx);
    call_all(&client, workload);
    cutter_stop();
  }
  disconnect(&client);
  history_close(&client.history);
  return client.has_failed ? CROWD_FAILED : CROWD_DONE;
}

/* ---------------------------------------------------------------- the end */

static int by_subject(const void *left, const void *right) {
  const struct history_record *a = left, *b = right;
  return (a->subject > b->subject) - (a->subject < b->subject);
}

static void read_subject(struct client *client, uint64_t subject) {
  uint64_t number = subject & ~(UINT64_C(0xff) << 56);
  hf_cell *cell;
  if (history_kind_of(subject) == HISTORY_ENTRY) {
    get_entry(client, number);
  } else if (history_kind_of(subject) == HISTORY_CELL && open_cell(client, number, &cell)) {
    get_cell(client, cell, subject);
    hf_cell_close(cell);
  }
}

int workload_finish(const char *url, const char *directory) {
  struct client client = {.url = url};
  size_t count;
  struct history_record *records = history_load(directory, &count);
  qsort(records, count, sizeof(*records), by_subject);
  history_open(&client.history, directory, FINISHER, 2 * count + QUEUES_COUNT);
  connect_anew(&client);
  for (size_t i = 0; i < count && !client.has_failed; i++) {
    if (i == 0 || records[i].subject != records[i - 1].subject) {
      read_subject(&client, records[i].subject);
    }
  }
  for (uint64_t idx = 0; idx < QUEUES_COUNT && !client.has_failed; idx++) {
    while (take_item(&client, idx, 0) && !client.has_failed) {
    }
  }
  disconnect(&client);
  history_close(&client.history);
  free(records);
  return client.has_failed ? CROWD_FAILED : CROWD_DONE;
}
