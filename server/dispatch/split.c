#include "server/dispatch/split.h"

#include "proto/base/clock.h"

/* Replies to one chunk above this make the next one smaller. */
#define CHUNK_REPLY_BYTES (1u << 20)

size_t split_messages(struct split *split, struct bytes input,
                      struct dispatch_message messages[SPLIT_COUNT_MAX]) {
  size_t count = 0;
  split->missing_bytes = 0;
  split->why = NULL;
  while (count < split->count_max && input.len > 0) {
    struct dispatch_message *message = &messages[count];
    struct bytes body;
    size_t frame_len = 0;
    size_t needed = 0;
    enum sp_result result =
        sp_frame_read(split->transport, input, HF_FRAME_BYTES_MAX, &body, &frame_len, &needed);
    if (result == SP_MORE) {
      split->missing_bytes = needed - input.len;
      break;
    }
    if (result == SP_OK && split->one_way) {
      message->route.len = 0;
      message->body = body;
    } else if (result == SP_OK) {
      result = sp_route_read(body, &message->route, &message->body);
    }
    if (result != SP_OK) {
      split->why = result == SP_TOO_LONG ? "message too long" : "not a message";
      break;
    }
    count++;
    input = bytes_of(input.data + frame_len, input.len - frame_len);
  }
  return count;
}

size_t split_take(struct split *split, struct bytes input, const struct dispatch_message *messages,
                  size_t applied, size_t count) {
  split->part_since_ns = 0;
  if (applied < count) {
    split->missing_bytes = 0;
    split->why = NULL;
  }
  if (applied == 0) {
    return 0;
  }
  struct bytes last = messages[applied - 1].body; /* at the end of its frame */
  return (size_t)(last.data + last.len - input.data);
}

uint64_t split_deadline_ns(struct split *split, size_t input_len, uint64_t now_ns) {
  if (input_len == 0) {
    split->part_since_ns = 0;
    return CLOCK_NEVER;
  }
  if (split->part_since_ns == 0) {
    split->part_since_ns = now_ns;
  }
  size_t frame_bytes = input_len + split->missing_bytes;
  return clock_deadline_ns(split->part_since_ns,
                           HF_PART_MS_MAX + frame_bytes / HF_PART_BYTES_PER_MS_MIN);
}

void split_restart_time(struct split *split) {
  split->part_since_ns = 0;
}

void split_adapt(struct split *split, size_t count, size_t reply_bytes) {
  if (reply_bytes > CHUNK_REPLY_BYTES) {
    split->count_max = count > 1 ? (uint32_t)(count / 2) : 1;
  } else if (count == split->count_max && split->count_max < SPLIT_COUNT_MAX) {
    split->count_max *= 2;
  }
}
