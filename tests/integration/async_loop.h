/* An event loop's thread, for tests of asynchronous calls. */
#ifndef HF_TESTS_ASYNC_LOOP_H
#define HF_TESTS_ASYNC_LOOP_H

#include <holdfast/holdfast.h>

#define LONG_MS 10000
#define SHORT_MS 60

hf_async *open_async(hf_conn *conn);
/* Waits for the descriptor as an event loop does. Whether it became readable. */
bool await_readable(hf_async *async, int timeout_ms);
/* The next completion, which must come. */
struct hf_completion next_of(hf_async *async);
void expect_none_for(hf_async *async, int ms);

#endif
