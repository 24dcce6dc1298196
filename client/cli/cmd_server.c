/* holdfast ping, ls, info, snapshot, backup, rm: the server and objects of any kind. */
#include "client/cli/answer.h"
#include "client/cli/backup.h"
#include "client/cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SNAPSHOT_POLL_MS 100

static int ping(struct cli *cli, hf_object *object) {
  (void)object;
  uint64_t round_trip_ns;
  if (hf_ping(cli->conn, &round_trip_ns) != HF_OK)
    return cli_fail(cli);
  double round_trip_us = (double)round_trip_ns / 1000;
  if (cli->options.format == CLI_JSON)
    return output_members(cli, json_pack("{s:f}", "round_trip_us", round_trip_us));
  printf("%.1f us\n", round_trip_us);
  return CLI_YES;
}

/* null if the member has no meaning for the kind: 0 would look like a value. */
static json_t *value_member(const struct hf_object_info *info) {
  if (info->kind == HF_SEMAPHORE || info->kind == HF_BOUNDED_SEMAPHORE || info->kind == HF_EVENT)
    return json_integer((json_int_t)info->value);
  return json_null();
}

static json_t *info_members(const struct hf_object_info *info) {
  char typecode[2] = {info->typecode, '\0'};
  json_t *members =
      json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "name", info->name, "kind",
                hf_kind_name(info->kind), "id", (json_int_t)info->id, "length",
                (json_int_t)info->length, "maxsize", (json_int_t)info->maxsize, "waiting",
                (json_int_t)info->waiting, "references", (json_int_t)info->references);
  json_object_set_new(members, "unfinished", json_integer((json_int_t)info->unfinished));
  json_object_set_new(members, "typecode", json_string(typecode));
  json_object_set_new(members, "locked", json_boolean(info->locked));
  json_object_set_new(members, "owner", json_string(info->owner));
  json_object_set_new(members, "token", json_integer((json_int_t)info->token));
  json_object_set_new(members, "value", value_member(info));
  json_object_set_new(members, "parties", json_integer((json_int_t)info->parties));
  json_object_set_new(members, "arrived", json_integer((json_int_t)info->arrived));
  json_object_set_new(members, "broken", json_boolean(info->broken));
  json_object_set_new(members, "delayed", json_integer((json_int_t)info->delayed));
  json_object_set_new(members, "reserved", json_integer((json_int_t)info->reserved));
  json_object_set_new(members, "buried", json_integer((json_int_t)info->buried));
  json_object_set_new(members, "shut_down", json_boolean(info->shut_down));
  json_object_set_new(members, "lease_ms", json_integer((json_int_t)info->lease_ms));
  return members;
}

static int list_objects(struct cli *cli, hf_object *object) {
  (void)object;
  static const char *const columns[] = {"name",    "kind",  "length", "value",
                                        "waiting", "owner", NULL};
  struct hf_object_info *infos;
  size_t count;
  const char *prefix = cli->arg_count > 0 ? cli->args[0].text : "";
  if (hf_list_objects(cli->conn, prefix, cli->options.kind, &infos, &count) != HF_OK)
    return cli_fail(cli);
  json_t *rows = json_array();
  for (size_t i = 0; i < count; i++)
    json_array_append_new(rows, info_members(&infos[i]));
  free(infos);
  return output_rows(cli, "objects", rows, columns);
}

/* "memory_waiters", and "memory_waiters_max" where that use has a limit of its own. */
static void add_memory(json_t *members, const struct hf_server_info *info) {
  char name[64];
  json_object_set_new(members, "memory_bytes_max",
                      json_integer((json_int_t)info->memory_bytes_max));
  for (size_t i = 0; i < info->memory_count; i++) {
    const struct hf_memory_use *use = &info->memory[i];
    snprintf(name, sizeof name, "memory_%s", use->name);
    json_object_set_new(members, name, json_integer((json_int_t)use->bytes));
    if (use->bytes_max) {
      snprintf(name, sizeof name, "memory_%s_max", use->name);
      json_object_set_new(members, name, json_integer((json_int_t)use->bytes_max));
    }
  }
}

static json_t *user_members(const struct hf_user_use *use) {
  return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I}", "removed", use->removed, "memory_bytes",
                   (json_int_t)use->memory_bytes, "objects", (json_int_t)use->objects, "sessions",
                   (json_int_t)use->sessions, "connections", (json_int_t)use->connections,
                   "waiting", (json_int_t)use->waiting);
}

/* "users": by name; in a table a line for each. */
static void add_users(const struct cli *cli, json_t *members, const struct hf_server_info *info) {
  char name[64];
  json_t *users = json_object();
  for (size_t i = 0; i < info->users_count; i++) {
    const struct hf_user_use *use = &info->users[i];
    snprintf(name, sizeof name, "user %s", use->name);
    if (cli->options.format == CLI_JSON)
      json_object_set_new(users, use->name, user_members(use));
    else
      json_object_set_new(members, name, user_members(use));
  }
  if (cli->options.format == CLI_JSON)
    json_object_set(members, "users", users);
  json_decref(users);
  json_object_set_new(members, "users_left_out", json_integer((json_int_t)info->users_left_out));
}

/* null without a snapshot. */
static json_t *snapshot_age(const struct hf_journal_info *journal) {
  return journal->snapshot_index > 0 ? json_integer((json_int_t)journal->snapshot_age_ms)
                                     : json_null();
}

/* "journal_index": only of a server that keeps its state. */
static void add_journal(json_t *members, const struct hf_server_info *info) {
  const struct hf_journal_info *journal = &info->journal;
  if (!info->has_journal)
    return;
  json_t *more = json_pack(
      "{s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:b, s:b, s:s}", "journal_index",
      (json_int_t)journal->index, "journal_committed", (json_int_t)journal->committed,
      "journal_bytes", (json_int_t)journal->journal_bytes, "snapshot_index",
      (json_int_t)journal->snapshot_index, "snapshot_bytes", (json_int_t)journal->snapshot_bytes,
      "snapshot_age_ms", snapshot_age(journal), "fsync_p99_us", (json_int_t)journal->fsync_p99_us,
      "unsynced_ms", (json_int_t)journal->unsynced_ms, "disk_full", journal->full, "compacting",
      journal->compacting, "fsync", journal->fsync);
  json_object_update(members, more);
  json_decref(more);
}

static int describe_server(struct cli *cli) {
  struct hf_server_info info;
  if (hf_server_info(cli->conn, &info) != HF_OK)
    return cli_fail(cli);
  json_t *members =
      json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "version", info.version,
                "uptime_ms", (json_int_t)info.uptime_ms, "sessions", (json_int_t)info.sessions,
                "objects", (json_int_t)info.objects, "waiting", (json_int_t)info.waiting,
                "requests", (json_int_t)info.requests, "duplicates", (json_int_t)info.duplicates,
                "connections", (json_int_t)info.connections, "memory_bytes",
                (json_int_t)info.memory_bytes, "deadlocks", (json_int_t)info.deadlocks);
  add_memory(members, &info);
  add_journal(members, &info);
  add_users(cli, members, &info);
  json_object_set_new(members, "path", json_string(hf_conn_path(cli->conn)));
  json_object_set_new(members, "path_reason", json_string(hf_conn_path_reason(cli->conn)));
  return output_members(cli, members);
}

static int describe(struct cli *cli, hf_object *object) {
  (void)object;
  struct hf_object_info info;
  hf_object *found;
  if (cli->arg_count == 0)
    return describe_server(cli);
  if (hf_open(cli->conn, cli->args[0].text, HF_ANY, &found) != HF_OK)
    return cli_fail_on(cli, cli->args[0].text);
  hf_status status = hf_object_info(found, &info);
  int code = status == HF_OK ? output_members(cli, info_members(&info)) : cli_fail(cli);
  hf_object_close(found);
  return code;
}

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Polls until the snapshot has everything up to that index, or none is under way any more. */
static int await_snapshot(struct cli *cli, struct hf_server_info *info, uint64_t index) {
  const struct timespec pause = {.tv_nsec = SNAPSHOT_POLL_MS * 1000000};
  int64_t begun_ms = now_ms(), wait_ms = cli_wait_ms(cli);
  for (;;) {
    if (hf_server_info(cli->conn, info) != HF_OK)
      return cli_fail(cli);
    if (info->journal.snapshot_index >= index)
      return CLI_YES;
    if (!info->journal.compacting)
      return cli_fail_with(cli, HF_UNAVAILABLE, "NO_SNAPSHOT",
                           "no snapshot was made; the server's log says why, before its line \"no "
                           "snapshot was made\"; the journal is kept, ask again later");
    if (wait_ms >= 0 && now_ms() - begun_ms >= wait_ms)
      return cli_fail_with(cli, HF_DEADLINE_EXCEEDED, "TIMED_OUT",
                           "the snapshot is not made yet; it was asked for");
    nanosleep(&pause, NULL);
  }
}

static int make_snapshot(struct cli *cli, hf_object *object) {
  (void)object;
  struct hf_server_info info;
  if (hf_server_info(cli->conn, &info) != HF_OK || hf_server_snapshot(cli->conn) != HF_OK)
    return cli_fail(cli);
  if (!cli->options.wait) {
    if (cli->options.format == CLI_JSON)
      return output_done(cli);
    printf("snapshot requested\n");
    return CLI_YES;
  }
  int code = await_snapshot(cli, &info, info.journal.committed);
  return code == CLI_YES ? output_count(cli, "snapshot_index", info.journal.snapshot_index) : code;
}

static int make_backup(struct cli *cli, hf_object *object) {
  (void)object;
  return backup_fetch(cli, cli->args[0].text);
}

/* Continues after a missing name, as rm does. */
static int delete_objects(struct cli *cli, hf_object *object) {
  (void)object;
  int code = CLI_YES;
  for (size_t i = 0; i < cli->arg_count; i++)
    if (hf_delete(cli->conn, cli->args[i].text) != HF_OK)
      code = cli_fail_on(cli, cli->args[i].text);
  return code == CLI_YES ? output_done(cli) : code;
}

const struct command server_commands[] = {
    {"ping", "", "", OPEN_NOTHING, HF_ANY, false, ping, "is the server there? one round trip"},
    {"ls", "?n", "[PREFIX]", OPEN_NOTHING, HF_ANY, false, list_objects,
     "the named objects; --kind KIND"},
    {"info", "?n", "[NAME]", OPEN_NOTHING, HF_ANY, false, describe,
     "one object, or the server, and the way there"},
    {"snapshot", "", "[--wait]", OPEN_NOTHING, HF_ANY, true, make_snapshot,
     "makes the journal of a server with --data shorter"},
    {"backup", "n", "FILE", OPEN_NOTHING, HF_ANY, false, make_backup,
     "writes a backup of a server with --data; holdfastd --restore"},
    {"rm", "n*", "NAME..", OPEN_NOTHING, HF_ANY, false, delete_objects,
     "deletes objects for everybody"},
    {0},
};
