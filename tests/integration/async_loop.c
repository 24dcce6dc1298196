#include "tests/integration/async_loop.h"

#include <poll.h>

#include "tests/integration/world.h"

hf_async *open_async(hf_conn *conn) {
  hf_async *async;
  expect_ok(hf_async_open(conn, &async));
  return async;
}

bool await_readable(hf_async *async, int timeout_ms) {
  struct pollfd descriptor = {.fd = hf_async_descriptor(async), .events = POLLIN};
  return poll(&descriptor, 1, timeout_ms) == 1;
}

struct hf_completion next_of(hf_async *async) {
  struct hf_completion done = {0};
  uint64_t deadline_ms = now_ms() + LONG_MS;
  while (!hf_async_collect(async, &done)) {
    assert_true(now_ms() < deadline_ms);
    (void)await_readable(async, 1000);
  }
  return done;
}

void expect_none_for(hf_async *async, int ms) {
  struct hf_completion done = {0};
  uint64_t until_ms = now_ms() + (uint64_t)ms;
  while (now_ms() < until_ms) {
    assert_false(hf_async_collect(async, &done));
    (void)await_readable(async, ms);
  }
}
