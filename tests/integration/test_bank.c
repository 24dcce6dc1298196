/* Transfers between accounts, by processes that may be killed: each is whole, or did not happen. */
#include "tests/integration/world.h"

enum { ACCOUNT_COUNT = 10, BALANCE = 100, TELLER_COUNT = 8, TRANSFER_COUNT = 300 };

struct bank {
  hf_cell *accounts[ACCOUNT_COUNT];
  hf_dict *ledger; /* account: what came in, less what went out */
  uint64_t seed;
};

static uint32_t draw(uint64_t *seed, uint32_t bound) {
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*seed >> 33) % bound;
}

/* Out of an account that has it, into another one; both are recorded in the ledger. Some ask for
 * something impossible at the end. */
static hf_status transfer(struct bank *bank, bool is_spoilt) {
  uint32_t from = draw(&bank->seed, ACCOUNT_COUNT), to = draw(&bank->seed, ACCOUNT_COUNT);
  int64_t amount = draw(&bank->seed, 40);
  hf_status status = hf_transaction_begin(world.conn);
  if (status != HF_OK) {
    return status;
  }
  hf_kept(hf_cell_add(bank->accounts[from], hf_int(-amount), NULL));
  hf_kept(hf_cell_add(bank->accounts[to], hf_int(amount), NULL));
  hf_kept(hf_require_at_least(bank->accounts[from], hf_int(amount)));
  hf_kept(hf_dict_add(bank->ledger, hf_int(from), hf_int(-amount), NULL));
  hf_kept(hf_dict_add(bank->ledger, hf_int(to), hf_int(amount), NULL));
  if (is_spoilt) {
    hf_kept(hf_dict_delete(bank->ledger, hf_text("missing")));
  }
  return hf_transaction_commit(world.conn, 0, NULL);
}

static int transfer_often(void *argument) {
  struct bank *bank = argument;
  for (int i = 0; i < TRANSFER_COUNT; i++) {
    bool is_spoilt = i % 5 == 0;
    hf_status status = transfer(bank, is_spoilt);
    bool is_known = status == HF_ABORTED || status == (is_spoilt ? HF_NOT_FOUND : HF_OK);
    if (!is_known) {
      return 1;
    }
  }
  return 0;
}

static int transfer_until_killed(void *bank) {
  while (transfer_often(bank) == 0) {
  }
  return 1;
}

/* No money was made or lost, no account is overdrawn, and the ledger agrees. Read in one step,
 * because the last request of a process that was killed may still be on its way. */
static void expect_balanced(struct bank *bank) {
  int64_t balances[ACCOUNT_COUNT], sum = 0;
  hf_value recorded[ACCOUNT_COUNT];
  expect_ok(hf_transaction_begin(world.conn));
  for (int i = 0; i < ACCOUNT_COUNT; i++) {
    expect_ok(hf_cell_get_int(bank->accounts[i], &balances[i]));
    expect_ok(hf_dict_setdefault(bank->ledger, hf_int(i), hf_int(0), &recorded[i]));
  }
  expect_ok(hf_transaction_commit(world.conn, 0, NULL));
  for (int i = 0; i < ACCOUNT_COUNT; i++) {
    assert_true(balances[i] >= 0);
    assert_int_equal(balances[i], BALANCE + recorded[i].integer);
    sum += balances[i];
  }
  assert_int_equal(sum, ACCOUNT_COUNT * BALANCE);
}

static void bank_open(struct bank *bank) {
  bank->seed = 3;
  expect_ok(hf_dict_open(world.conn, NULL, &bank->ledger));
  for (int i = 0; i < ACCOUNT_COUNT; i++) {
    expect_ok(hf_raw_cell_open(world.conn, NULL, 'q', hf_int(BALANCE), &bank->accounts[i]));
  }
}

static void bank_close(struct bank *bank) {
  hf_dict_close(bank->ledger);
  for (int i = 0; i < ACCOUNT_COUNT; i++) {
    hf_cell_close(bank->accounts[i]);
  }
}

static void test_bank_balances_after_transfers_by_many_processes(void **state) {
  pid_t tellers[TELLER_COUNT];
  struct bank bank;
  (void)state;
  bank_open(&bank);
  for (int i = 0; i < TELLER_COUNT; i++) {
    bank.seed++;
    tellers[i] = child_start(transfer_often, &bank);
  }
  for (int i = 0; i < TELLER_COUNT; i++) {
    assert_int_equal(child_end(tellers[i]), 0);
  }
  expect_balanced(&bank);
  bank_close(&bank);
}

static void test_bank_balances_whenever_a_process_is_killed(void **state) {
  struct bank bank;
  (void)state;
  bank_open(&bank);
  for (int i = 0; i < 20; i++) {
    uint64_t seed = bank.seed++;
    pid_t teller = child_start(transfer_until_killed, &bank);
    sleep_ms(5 + draw(&seed, 15));
    child_kill(teller);
    expect_balanced(&bank);
  }
  bank_close(&bank);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_bank_balances_after_transfers_by_many_processes),
    cmocka_unit_test(test_bank_balances_whenever_a_process_is_killed),
};

WORLD_MAIN("bank", tests)
