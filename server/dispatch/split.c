#include "server/dispatch/split.h"

/* Replies to one chunk above this make the next one smaller. */
#define CHUNK_REPLY_BYTES (1u << 20)

size_t split_messages(struct split *split, struct bytes input,
                      struct dispatch_message messages[SPLIT_COUNT_MAX], size_t *used) {
  size_t count = 0;
  *used = 0;
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
    *used += frame_len;
    input = bytes_of(input.data + frame_len, input.len - frame_len);
  }
  return count;
}

void split_adapt(struct split *split, size_t count, size_t reply_bytes) {
  if (reply_bytes > CHUNK_REPLY_BYTES) {
    split->count_max = count > 1 ? (uint32_t)(count / 2) : 1;
  } else if (count == split->count_max && split->count_max < SPLIT_COUNT_MAX) {
    split->count_max *= 2;
  }
}
