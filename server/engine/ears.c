#include "server/engine/ears.h"

#include "proto/base/chunk.h"
#include "server/engine/admit_waiter.h"
#include "server/engine/require.h"

#include <stdlib.h>

bool ears_add(struct waiter_list *ears, const struct call *nested, uint32_t part) {
  struct waiter *ear = malloc(sizeof *ear);
  if (!ear) {
    return false;
  }
  *ear = (struct waiter){
      .queue = nested->park_queue,
      .requirements = nested->requirements,
      .operation = nested->operation,
      .object = nested->object,
      .session = nested->session,
      .caller = nested->message->thread,
      .step = nested->step,
      .note = nested->note,
      .part = part,
  };
  TAILQ_INIT(&ear->ears);
  TAILQ_INSERT_TAIL(ears, ear, owner_link);
  return true;
}

void ears_free(struct waiter_list *ears) {
  struct waiter *ear;
  while ((ear = TAILQ_FIRST(ears))) {
    TAILQ_REMOVE(ears, ear, owner_link);
    requirements_free(ear->requirements);
    free(ear);
  }
}

void ears_open(struct waiter *principal, struct waiter_list *ears) {
  struct waiter *ear;
  TAILQ_CONCAT(&principal->ears, ears, owner_link);
  TAILQ_FOREACH(ear, &principal->ears, owner_link) {
    ear->principal = principal;
    ear->ticket = principal->ticket;
    wait_queue_insert(ear->queue, ear);
  }
}

void ears_close(struct waiter *principal) {
  struct waiter *ear;
  TAILQ_FOREACH(ear, &principal->ears, owner_link) {
    wait_queue_remove(ear->queue, ear);
  }
  ears_free(&principal->ears);
}

hf_reason ears_follow(struct waiter *ear, struct call *nested) {
  hf_reason reason = core_keep_requirements(nested, ear);
  if (reason) {
    return reason;
  }
  ear->step = nested->step;
  ear->note = nested->note;
  if (nested->park_queue != ear->queue) {
    wait_queue_remove(ear->queue, ear);
    wait_queue_insert(nested->park_queue, ear);
  }
  return HF_REASON_NONE;
}

size_t ears_bytes(const struct waiter_list *ears) {
  const struct waiter *ear;
  size_t bytes = 0;
  TAILQ_FOREACH(ear, ears, owner_link) {
    bytes += chunk_bytes(sizeof *ear) + (ear->requirements ? ear->requirements->bytes : 0);
  }
  return bytes;
}
