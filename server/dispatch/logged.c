#include "server/dispatch/logged.h"

#include "server/engine/reads.h"
#include "server/engine/requests.h"

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
static void log_command(const struct command_log *log, const struct command *command, int process) {
  struct command logged = *command;
  struct engine_request request;
  if (command->kind == COMMAND_REQUEST) {
    request = *command->request;
    request.process = process;
    logged.request = &request;
  }
  log->append(log->ctx, &logged);
}

bool logged_apply(const struct command_log *log, struct engine *engine, struct batch *batch,
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
    hold_replies(batch, first, engine_read_index(engine));
    return true;
  }
  if (may_only_read) { /* it did more after all */
    log_heard(log, engine, command);
  }
  log_replies(log, batch, first);
  log_command(log, command, process);
  hold_replies(batch, first, command->index);
  return true;
}
