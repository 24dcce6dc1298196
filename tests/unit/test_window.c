/* The client's window: what it acknowledges to the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those before itself. */
#include <cmocka.h>

#include "client/src/connection/window.h"

#define REQ_ID_BYTES 4

static struct window window;

static int set_up(void **state) {
  (void)state;
  return window_init(&window) ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  window_deinit(&window);
  return 0;
}

static struct slot *add(void) {
  static const Holdfast__Acknowledge arm = HOLDFAST__ACKNOWLEDGE__INIT;
  const struct envelope envelope = {
      .timeout_ms = -1, .operation = HOLDFAST__REQUEST__OPERATION_ACKNOWLEDGE, .arm = &arm.base};
  struct slot *slot = window_add(&window, SP_TCP, &envelope);
  assert_non_null(slot);
  return slot;
}

static void send_all(void) {
  struct iovec part;
  while (window_unsent(&window, &part, 1) > 0) {
    window_sent(&window, part.iov_len);
  }
}

static struct slot *send_one(void) {
  struct slot *slot = add();
  send_all();
  return slot;
}

static bool announces(const struct slot *slot, uint64_t sequence) {
  size_t head_len = sp_prefix_bytes(SP_TCP) + REQ_ID_BYTES;
  Holdfast__Request *request =
      holdfast__request__unpack(NULL, slot->frame_len - head_len, slot->frame + head_len);
  assert_non_null(request);
  bool found = sequence <= request->acked;
  for (size_t i = 0; i < request->n_acked_also; i++) {
    found |= request->acked_also[i] == sequence;
  }
  holdfast__request__free_unpacked(request, NULL);
  return found;
}

static void test_window_acknowledgements_of_a_silent_request_are_sent_again(void **state) {
  (void)state;
  send_one(); /* stays under way */
  struct slot *answered = send_one();
  uint64_t sequence = answered->sequence;
  window_remove(&window, answered);
  struct slot *silent = add();
  silent->is_silent = true;
  assert_true(announces(silent, sequence));
  send_all();
  assert_true(announces(add(), sequence));
  assert_false(announces(add(), sequence));
}

static void test_window_what_was_never_sent_is_announced_again(void **state) {
  (void)state;
  uint64_t sequences[300];
  struct slot *answered[300];
  send_one();
  for (size_t i = 0; i < 300; i++) {
    answered[i] = send_one();
    sequences[i] = answered[i]->sequence;
  }
  for (size_t i = 0; i < 300; i++) {
    window_remove(&window, answered[i]);
  }
  window_remove(&window, add());
  const struct slot *next = add();
  for (size_t i = 0; i < 300; i++) {
    assert_true(announces(next, sequences[i]));
  }
  assert_true(announces(next, sequences[299] + 1));
}

/* The frame that goes ahead, read; all of it is sent, in two parts. */
static Holdfast__Request *send_ahead(void) {
  size_t head_len = sp_prefix_bytes(SP_TCP) + REQ_ID_BYTES;
  struct iovec parts[2];
  assert_int_equal(window_unsent(&window, parts, 2), 2);
  Holdfast__Request *request = holdfast__request__unpack(
      NULL, parts[0].iov_len - head_len, (const uint8_t *)parts[0].iov_base + head_len);
  assert_non_null(request);
  window_sent(&window, parts[0].iov_len - 3);
  assert_int_equal(window_unsent(&window, parts, 2), 2);
  assert_int_equal(parts[0].iov_len, 3);
  window_sent(&window, 3);
  return request;
}

/* A silent request carried it, and was lost with the link: those that were encoded behind it count
 * on it. */
static void test_window_a_new_link_begins_with_all_that_was_received(void **state) {
  (void)state;
  const struct slot *first = send_one();
  struct slot *answered = send_one();
  uint64_t sequence = answered->sequence;
  window_remove(&window, answered);
  add()->is_silent = true;
  send_all();
  window_rewind(&window, SP_TCP);
  Holdfast__Request *request = send_ahead();
  assert_int_equal(request->operation_case, HOLDFAST__REQUEST__OPERATION_ACKNOWLEDGE);
  assert_int_equal(request->acked, first->sequence - 1);
  bool found = false;
  for (size_t i = 0; i < request->n_acked_also; i++) {
    found |= request->acked_also[i] == sequence;
  }
  assert_true(found);
  holdfast__request__free_unpacked(request, NULL);
  send_all();
  /* The Acknowledge has no reply: it may be lost as well. */
  assert_true(announces(add(), sequence));
}

/* From the first on, in their order, with the same sequences. */
static void test_window_what_was_refused_goes_once_more(void **state) {
  struct iovec parts[8];
  struct slot *slots[4];
  (void)state;
  for (int i = 0; i < 4; i++) {
    slots[i] = send_one();
  }
  window_remove(&window, slots[0]);
  window_refuse(&window, slots[2]);
  window_refuse(&window, slots[2]);
  assert_int_equal(window.refused_count, 1);
  assert_true(window_resend_refused(&window, SP_TCP));
  assert_int_equal(window.refused_count, 0);
  Holdfast__Request *request = send_ahead();
  assert_int_equal(request->acked, slots[1]->sequence - 1);
  holdfast__request__free_unpacked(request, NULL);
  assert_int_equal(window_unsent(&window, parts, 8), 2);
  assert_ptr_equal(parts[0].iov_base, slots[2]->frame);
  assert_ptr_equal(parts[1].iov_base, slots[3]->frame);
  window_sent(&window, 1);
  window_refuse(&window, slots[1]);
  assert_false(window_resend_refused(&window, SP_TCP)); /* half of a request is sent */
  send_all();
  assert_true(window_resend_refused(&window, SP_TCP));
  send_all();
}

/* The server has answered the Cancel of a refused request that it knows none such: that of a waiting call is
 * due once more, behind the request. */
static void test_window_what_was_refused_is_withdrawn_once_more(void **state) {
  struct call *call = (struct call *)state; /* some */
  struct slot *slots[2];
  for (int rewinds = 0; rewinds < 2; rewinds++) {
    for (int i = 0; i < 2; i++) {
      slots[i] = send_one();
      slots[i]->call = i == 0 ? call : NULL; /* the other one is given up */
      slots[i]->withdrawal = WITHDRAWAL_SENT;
      window_refuse(&window, slots[i]);
    }
    if (rewinds) {
      window_rewind(&window, SP_TCP);
    } else {
      assert_true(window_resend_refused(&window, SP_TCP));
    }
    assert_int_equal(slots[0]->withdrawal, WITHDRAWAL_DUE);
    assert_int_equal(slots[1]->withdrawal, WITHDRAWAL_SENT);
    assert_int_equal(window.due_count, 1);
    send_all();
    for (int i = 0; i < 2; i++) {
      window_remove(&window, slots[i]);
    }
    assert_int_equal(window.due_count, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(
          test_window_acknowledgements_of_a_silent_request_are_sent_again, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_window_what_was_never_sent_is_announced_again, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_window_a_new_link_begins_with_all_that_was_received,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_window_what_was_refused_goes_once_more, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_window_what_was_refused_is_withdrawn_once_more, set_up,
                                      tear_down),
  };
  return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
