/* Redis for the load generator: the same loop as Holdfast's, so that the two servers are compared
 * and not the two clients. Declared in redis.h. */
#define _GNU_SOURCE
#include "tests/bench/redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct redis_dialog {
  uint32_t random;
  unsigned request_count, turn;
  char requests[2][LOADGEN_REQUEST_BYTES_MAX];
  size_t key_offset; /* 0: none */
};

static void open_redis(void *context, int fd, enum bench_transport transport, enum bench_op op) {
  static const char *const requests[BENCH_OP_COUNT] = {
      "*3\r\n$4\r\nHGET\r\n$10\r\nbench:hash\r\n$16\r\nkey:000000000000\r\n",
      "*4\r\n$4\r\nHSET\r\n$10\r\nbench:hash\r\n$16\r\nkey:000000000000\r\n$5\r\n12345\r\n",
      "*3\r\n$5\r\nLPUSH\r\n$10\r\nbench:list\r\n$5\r\n12345\r\n",
      "*3\r\n$5\r\nRPUSH\r\n$11\r\nbench:queue\r\n$5\r\n12345\r\n"};
  struct redis_dialog *dialog = context;
  (void)transport;
  dialog->random = 1 + (uint32_t)fd;
  dialog->request_count = op == BENCH_QUEUE ? 2 : 1;
  snprintf(dialog->requests[0], sizeof(dialog->requests[0]), "%s", requests[op]);
  snprintf(dialog->requests[1], sizeof(dialog->requests[1]),
           "*2\r\n$4\r\nLPOP\r\n$11\r\nbench:queue\r\n");
  const char *key = strstr(dialog->requests[0], "key:");
  dialog->key_offset = key == NULL ? 0 : (size_t)(key - dialog->requests[0]);
}

static const uint8_t *next_redis(void *context, size_t *len) {
  struct redis_dialog *dialog = context;
  char *request = dialog->requests[dialog->turn++ % dialog->request_count];
  if (dialog->key_offset != 0)
    memcpy(request + dialog->key_offset, bench_key(bench_random(&dialog->random) % BENCH_KEY_COUNT),
           BENCH_KEY_BYTES);
  *len = strlen(request);
  return (const uint8_t *)request;
}

/* ":N\r\n", or "$N\r\n" and N bytes and "\r\n". Nil is wrong: every key is there. */
static ssize_t check_redis(void *context, const uint8_t *data, size_t len) {
  (void)context;
  const uint8_t *end = memchr(data, '\n', len);
  if (data[0] != ':' && data[0] != '$')
    return -1;
  if (end == NULL)
    return 0;
  size_t line_len = (size_t)(end - data) + 1;
  if (data[0] == ':')
    return (ssize_t)line_len;
  long value_len = strtol((const char *)data + 1, NULL, 10);
  if (value_len < 0)
    return -1;
  size_t needed = line_len + (size_t)value_len + 2;
  return len < needed ? 0 : (ssize_t)needed;
}

const struct loadgen_protocol redis_raw_protocol = {
    .name = "redis",
    .dialog_bytes = sizeof(struct redis_dialog),
    .open = open_redis,
    .next = next_redis,
    .check = check_redis,
};
