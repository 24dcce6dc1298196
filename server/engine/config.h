/* What an engine is handed when it is made: numbers to begin with, and functions of the layers above.
 *
 * layer   engine; filled by dispatch
 */
#ifndef HF_ENGINE_CONFIG_H
#define HF_ENGINE_CONFIG_H

#include "proto/holdfast.pb-c.h"
#include "proto/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cell_host;
struct operation;
struct reply;
struct reply_journal;
struct sp_route;

struct engine_config {
  struct value_hash_key hash_key;
  uint64_t first_object; /* ids count up from here; never the ones of an earlier start */
  uint64_t first_token;  /* as do the tokens of locks */
  size_t memory_bytes_max;
  uint64_t start_ns;
  /* The row of an operation within a list of them; NULL: unknown. */
  const struct operation *(*find_operation)(const Holdfast__Request *message);
  bool is_loading; /* it only answers LOADING, until another engine takes its place */
  const struct cell_host *cell_host; /* borrowed; NULL: values and arrays stay in plain memory */
};

/* Where the effects of commands go, in their order. Called from within engine_apply. */
struct engine_sink {
  void *ctx;
  /* reply is given: one count. It answers the request that came with the route. */
  void (*deliver)(void *ctx, uint64_t connection, const struct sp_route *route,
                  struct reply *reply);
  /* The connection's session moved to another one, or its user is gone; nothing of it is served any more. */
  void (*close)(void *ctx, uint64_t connection);
  /* A process's handle, which came with a request and was taken, is not needed any more. */
  void (*forget_process)(void *ctx, int process, uint64_t session);
  /* The session lost its connection: COMMAND_PROCESS_ENDED is due when the process has ended. */
  void (*watch_process)(void *ctx, int process, uint64_t session);
  /* Describes a deadlock: a cycle of lock owners that wait for each other. May be NULL. */
  void (*deadlock)(void *ctx, const char *cycle);
  /* A snapshot of the state is to be made. NULL: nothing keeps the state; a replay of its log has one that
   * does nothing, since the request is to be answered the same. */
  void (*request_snapshot)(void *ctx);
  /* How far the journal is, for ServerInfo. NULL: there is none. */
  void (*report_journal)(void *ctx, struct reply_journal *journal);
};

#endif
