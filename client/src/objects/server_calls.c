/* Calls on the connection itself: ping, and information about the server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "client/src/call/call.h"
#include "client/src/call/sized.h"
#include "client/src/call/steps.h"
#include "proto/base/clock.h"

struct ping {
  struct steps steps; /* first */
  uint64_t start_ns;
  uint64_t *round_trip_ns;
};

/* first: struct ping * */
static hf_reason take_time(hf_conn *conn, const Holdfast__Response *reply,
                           const struct result *result) {
  const struct ping *ping = result->first;
  (void)conn;
  (void)reply;
  if (ping->round_trip_ns != NULL) {
    *ping->round_trip_ns = clock_now_ns() - ping->start_ns;
  }
  return HF_REASON_NONE;
}

static hf_status send_ping(struct steps *steps) {
  struct request request;
  Holdfast__Ping arm = HOLDFAST__PING__INIT;
  if (steps->sent_count > 0) {
    return HF_OK;
  }
  ((struct ping *)steps)->start_ns = clock_now_ns();
  request_of_conn(&request, steps->conn, OPERATION(PING));
  request_ask(&request, take_time, steps, NULL);
  return steps_send(steps, &request, &arm.base);
}

hf_status hf_ping(hf_conn *conn, uint64_t *round_trip_ns) {
  static const struct steps_kind kind = {.size = sizeof(struct ping), .step = send_ping};
  struct ping ping = {.steps = {.kind = &kind, .conn = conn}, .round_trip_ns = round_trip_ns};
  return steps_run(&ping.steps);
}

static void take_uses(struct hf_server_info *info, const Holdfast__Server *server) {
  for (size_t i = 0; i < server->n_memory && info->memory_count < HF_MEMORY_USES_MAX; i++) {
    const Holdfast__MemoryUse *use = server->memory[i];
    struct hf_memory_use *taken = &info->memory[info->memory_count++];
    snprintf(taken->name, sizeof taken->name, "%s", use->name);
    taken->bytes = use->bytes;
    taken->bytes_max = use->bytes_max;
  }
}

static void take_users(struct hf_server_info *info, const Holdfast__Server *server) {
  for (size_t i = 0; i < server->n_users && info->users_count < HF_USER_USES_MAX; i++) {
    const Holdfast__UserUse *use = server->users[i];
    struct hf_user_use *taken = &info->users[info->users_count++];
    *taken = (struct hf_user_use){
        .removed = use->removed,
        .memory_bytes = use->memory_bytes,
        .objects = use->objects,
        .sessions = use->sessions,
        .connections = use->connections,
        .waiting = use->waiting,
    };
    snprintf(taken->name, sizeof taken->name, "%s", use->name);
  }
  info->users_left_out = server->n_users - info->users_count;
}

static void take_journal(struct hf_server_info *info, const Holdfast__Journal *journal) {
  info->has_journal = true;
  info->journal = (struct hf_journal_info){
      .index = journal->index,
      .committed = journal->committed,
      .journal_bytes = journal->journal_bytes,
      .snapshot_index = journal->snapshot_index,
      .snapshot_bytes = journal->snapshot_bytes,
      .snapshot_age_ms = journal->snapshot_age_ms,
      .fsync_p99_us = journal->fsync_p99_us,
      .unsynced_ms = journal->unsynced_ms,
      .full = journal->full,
      .compacting = journal->compacting,
  };
  snprintf(info->journal.fsync, sizeof info->journal.fsync, "%s", journal->fsync);
}

static hf_reason take_server(hf_conn *conn, const Holdfast__Response *reply,
                             const struct result *result) {
  struct hf_server_info info;
  (void)conn;
  if (reply->result_case != HOLDFAST__RESPONSE__RESULT_SERVER) {
    return HF_REASON_BAD_REPLY;
  }
  const Holdfast__Server *server = reply->server;
  info = (struct hf_server_info){
      .uptime_ms = server->uptime_ms,
      .sessions = server->sessions,
      .objects = server->objects,
      .waiting = server->waiting,
      .requests = server->requests,
      .duplicates = server->duplicates,
      .connections = server->connections,
      .memory_bytes = server->memory_bytes,
      .deadlocks = server->deadlocks,
      .memory_bytes_max = server->memory_bytes_max,
  };
  take_uses(&info, server);
  take_users(&info, server);
  if (server->journal != NULL) {
    take_journal(&info, server->journal);
  }
  snprintf(info.version, sizeof info.version, "%s", server->version);
  sized_give(result->first, result->size, &info, sizeof info);
  return HF_REASON_NONE;
}

hf_status hf_server_info_sized(hf_conn *conn, struct hf_server_info *info, size_t info_size) {
  struct request request;
  Holdfast__ServerInfo arm = HOLDFAST__SERVER_INFO__INIT;
  request_of_conn(&request, conn, OPERATION(SERVER_INFO));
  request_ask(&request, take_server, info, NULL);
  request.result.size = info_size;
  return request_send(&request, &arm.base);
}

static hf_status send_snapshot(struct steps *steps) {
  struct request request;
  Holdfast__ServerSnapshot arm = HOLDFAST__SERVER_SNAPSHOT__INIT;
  if (steps->sent_count > 0) {
    return HF_OK;
  }
  request_of_conn(&request, steps->conn, OPERATION(SERVER_SNAPSHOT));
  request.needs_reply = true;
  return steps_send(steps, &request, &arm.base);
}

hf_status hf_server_snapshot(hf_conn *conn) {
  static const struct steps_kind kind = {.size = sizeof(struct steps), .step = send_snapshot};
  struct steps steps = {.kind = &kind, .conn = conn};
  return steps_run(&steps);
}

/* A copy: decoders run with the connection's mutex. */
struct part {
  void *data; /* malloc; NULL: the end */
  size_t len;
};

static hf_reason take_part(hf_conn *conn, const Holdfast__Response *reply,
                           const struct result *result) {
  struct part *part = result->first;
  (void)conn;
  if (reply->result_case == HOLDFAST__RESPONSE__RESULT__NOT_SET) {
    return HF_REASON_NONE;
  }
  if (reply->result_case != HOLDFAST__RESPONSE__RESULT_PAYLOAD) {
    return HF_REASON_BAD_REPLY;
  }
  part->len = reply->payload.len;
  part->data = malloc(part->len + 1);
  if (part->data == NULL) {
    return HF_REASON_NO_MEMORY;
  }
  if (part->len > 0) {
    memcpy(part->data, reply->payload.data, part->len);
  }
  return HF_REASON_NONE;
}

static hf_status fetch_part(hf_conn *conn, uint64_t backup, uint64_t offset, struct part *part) {
  struct request request;
  Holdfast__ServerBackup arm = HOLDFAST__SERVER_BACKUP__INIT;
  *part = (struct part){0};
  arm.backup = backup;
  arm.offset = offset;
  request_of_conn(&request, conn, OPERATION(SERVER_BACKUP));
  request_ask(&request, take_part, part, NULL);
  request.is_now = true;
  return request_send(&request, &arm.base);
}

hf_status hf_server_backup(hf_conn *conn, bool (*take)(void *ctx, const void *data, size_t len),
                           void *ctx) {
  struct part part;
  uint64_t backup = 0, offset = 0;
  while (backup == 0) {
    if (getrandom(&backup, sizeof backup, 0) != sizeof backup) {
      return error_reason(HF_REASON_NO_MEMORY);
    }
  }
  hf_status status;
  while ((status = fetch_part(conn, backup, offset, &part)) == HF_OK && part.data != NULL) {
    bool goes_on = part.len == 0 || take(ctx, part.data, part.len);
    offset += part.len;
    free(part.data);
    if (!goes_on) {
      return error_reason(HF_REASON_CANCELLED);
    }
  }
  return status;
}
