#include "server/dispatch/logged.h"

#include "proto/holdfast_fields.h"
#include "proto/wire_field.h"
#include "server/dispatch/operations.h"
#include "server/engine/reads.h"
#include "server/engine/requests.h"

/* Of a request with a session, a number, acknowledgements and an empty operation. */
#define SMALL_BODY_BYTES (HF_SESSION_BYTES + (6 + HF_WINDOW_COUNT_MAX) * (VARINT_BYTES_MAX + 2))

/* ---- requests that are in the log for larger ones */

static uint8_t *write_session(uint8_t *at, const Holdfast__Request *message) {
  struct bytes session = bytes_of(message->session.data, message->session.len);
  return session.len > 0 ? wire_write_bytes(at, HF_FIELD_REQUEST_SESSION, session) : at;
}

static struct bytes write_acknowledge(uint8_t body[SMALL_BODY_BYTES],
                                      const Holdfast__Request *message) {
  uint8_t *at = write_session(body, message);
  at = wire_write_number(at, HF_FIELD_REQUEST_ACKED, message->acked);
  for (size_t i = 0; i < message->n_acked_also; i++) {
    at = wire_write_number(at, HF_FIELD_REQUEST_ACKED_ALSO, message->acked_also[i]);
  }
  at = wire_write_head(at, HF_FIELD_REQUEST_ACKNOWLEDGE, 0);
  return bytes_of(body, (size_t)(at - body));
}

/* Any that stores has failed alike. */
static struct bytes write_store(uint8_t body[SMALL_BODY_BYTES], const Holdfast__Request *message) {
  uint8_t *at = write_session(body, message);
  at = wire_write_number(at, HF_FIELD_REQUEST_SEQUENCE, message->sequence);
  at = wire_write_head(at, HF_FIELD_REQUEST_DICT_SET, 0);
  return bytes_of(body, (size_t)(at - body));
}

/* ---- what is appended */

/* Requests that only read are in no log: what they changed comes before the next command. */
static void log_heard(const struct command_log *log, struct engine *engine,
                      const struct command *next) {
  struct heard heard;
  while (engine_next_heard(engine, &heard)) {
    struct command command = {
        .kind = COMMAND_HEARD, .now_ns = next->now_ns, .index = next->index, .heard = &heard};
    log->append(log->ctx, &command);
  }
}

/* The replies of the last command, from that delivery on, wait for the batch. */
static void hold_replies(struct batch *batch, size_t first, uint64_t index) {
  for (size_t i = first; batch && i < batch->deliveries_count; i++) {
    batch->deliveries[i].index = index;
  }
}

static void log_replies(const struct command_log *log, const struct batch *batch, size_t first) {
  for (size_t i = first; batch && i < batch->deliveries_count; i++) {
    if (batch->deliveries[i].reply) {
      log->reply(log->ctx, batch->deliveries[i].connection, batch->deliveries[i].reply);
    }
  }
}

/* The process is what came with the request: the engine may have taken it by now. */
static void log_command(const struct command_log *log, const struct engine *engine,
                        const struct command *command, int process) {
  uint8_t body[SMALL_BODY_BYTES];
  struct command logged = *command;
  struct engine_request request;
  if (command->kind == COMMAND_REQUEST) {
    request = *command->request;
    request.process = process;
    if (engine_has_failed_for_disk(engine)) {
      request.body = write_store(body, request.message);
    }
    logged.request = &request;
  }
  log->append(log->ctx, &logged);
}

/* ---- all of it */

static bool apply(const struct command_log *log, struct engine *engine, struct batch *batch,
                  struct command *command) {
  struct engine_request *request = command->kind == COMMAND_REQUEST ? command->request : NULL;
  int process = request ? request->process : 0;
  size_t first = batch ? batch->deliveries_count : 0;
  if (request) {
    request->may_only_read = engine_may_only_read(engine, command->now_ns, request);
  }
  bool may_only_read = request && request->may_only_read;
  if (!may_only_read) {
    log_heard(log, engine, command);
  }
  if (!engine_apply(engine, command)) {
    return false;
  }
  if (engine_has_only_read(engine)) {
    log->drop(log->ctx);
    hold_replies(batch, first, engine_read_index(engine));
    return true;
  }
  if (may_only_read) { /* it did more after all */
    log_heard(log, engine, command);
  }
  log_replies(log, batch, first);
  log_command(log, engine, command, process);
  hold_replies(batch, first, command->index);
  return true;
}

/* Before a refused request: what it acknowledges beyond the cumulative number, as a request of its own. */
static void acknowledge(const struct command_log *log, struct engine *engine, struct batch *batch,
                        const struct command *refused) {
  const Holdfast__Request *from = refused->request->message;
  uint8_t body[SMALL_BODY_BYTES];
  Holdfast__Acknowledge arm = HOLDFAST__ACKNOWLEDGE__INIT;
  Holdfast__Request message = HOLDFAST__REQUEST__INIT;
  message.session = from->session;
  message.acked = from->acked;
  message.acked_also = from->acked_also;
  message.n_acked_also = from->n_acked_also;
  message.operation_case = HOLDFAST__REQUEST__OPERATION_ACKNOWLEDGE;
  message.acknowledge = &arm;
  struct engine_request request = {
      .connection = refused->request->connection,
      .route = refused->request->route,
      .body = write_acknowledge(body, from),
      .message = &message,
      .operation = operations_find(&message),
  };
  struct command command = *refused;
  command.request = &request;
  (void)apply(log, engine, batch, &command);
}

/* Whether the request is refused but for what it acknowledges. */
static bool is_refused_without(struct engine *engine, const struct command *command,
                               const Holdfast__Request *less) {
  struct engine_request request = *command->request;
  request.message = less;
  return engine_refuses(engine, command->now_ns, &request);
}

static bool apply_acknowledging(const struct command_log *log, struct engine *engine,
                                struct batch *batch, struct command *command) {
  struct engine_request *request = command->request;
  const Holdfast__Request *message = request->message;
  Holdfast__Request less = *message;
  less.n_acked_also = 0;
  if (is_refused_without(engine, command, &less) && !is_refused_without(engine, command, message)) {
    acknowledge(log, engine, batch, command);
    request->message = is_refused_without(engine, command, &less) ? &less : message;
  }
  bool is_done = apply(log, engine, batch, command);
  request->message = message;
  return is_done;
}

bool logged_apply(const struct command_log *log, struct engine *engine, struct batch *batch,
                  struct command *command) {
  const Holdfast__Request *message =
      command->kind == COMMAND_REQUEST ? command->request->message : NULL;
  return message && message->n_acked_also > 0 ? apply_acknowledging(log, engine, batch, command)
                                              : apply(log, engine, batch, command);
}
