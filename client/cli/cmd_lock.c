/* holdfast lock ... */
#include "client/cli/answer.h"
#include "client/cli/command.h"
#include "client/cli/lock_tree.h"
#include "client/cli/program.h"

struct owned {
  hf_lock *lock;
  uint64_t token;
};

/* A `keep` of a program: whether the lease is still valid after a time in which this process was
 * stopped. An unreachable server counts as valid, since it may become reachable again. */
static bool keep_lease(void *ctx) {
  const struct owned *owned = ctx;
  struct hf_object_info info;
  hf_status status = hf_object_info(HF_AS_OBJECT(owned->lock), &info);
  return status == HF_OK ? info.locked && info.token == owned->token
                         : status == HF_UNAVAILABLE || status == HF_RESOURCE_EXHAUSTED;
}

static int run_owning(struct cli *cli, hf_object *object) {
  (void)object;
  hf_lock *lock;
  struct hf_grant grant;
  if (hf_lock_open(cli->conn, cli->args[0].text, &lock) != HF_OK)
    return cli_fail_on(cli, cli->args[0].text);
  const struct hf_lock_options options = {.robust = true,
                                          .lease_ms = cli->options.lease_ms,
                                          .refuse_deadlock = cli->options.refuse_deadlock};
  if (hf_lock_acquire_with(lock, &options, cli_wait_ms(cli), &grant) != HF_OK) {
    int refused = cli_fail(cli);
    hf_lock_close(lock);
    return refused;
  }
  struct owned owned = {lock, grant.token};
  struct program program = {.words = program_words(cli),
                            .resource = "lock",
                            .variable = "HOLDFAST_LOCK_TOKEN",
                            .number = grant.token,
                            .input = -1,
                            .lease_ms = cli->options.lease_ms,
                            .keep = cli->options.lease_ms > 0 ? keep_lease : NULL,
                            .ctx = &owned};
  struct program_end end = {.lost = false};
  int code = program_run(cli, &program, &end);
  if (code == CLI_YES)
    code = end.code;
  /* By token: a new owner keeps a lock that was lost meanwhile. */
  if (hf_lock_release_token(lock, grant.token) != HF_OK || end.lost)
    code = cli_fail(cli);
  hf_lock_close(lock);
  return code;
}

static int release(struct cli *cli, hf_object *object) {
  hf_lock *lock = (hf_lock *)object;
  return answer_done(cli, cli->options.has_token ? hf_lock_release_token(lock, cli->options.token)
                                                 : hf_lock_release(lock));
}

static int describe(struct cli *cli, hf_object *object) {
  struct hf_object_info info;
  if (hf_object_info(object, &info) != HF_OK)
    return cli_fail(cli);
  return output_members(
      cli, json_pack("{s:s, s:b, s:s, s:I, s:I, s:I}", "name", info.name, "locked",
                     (int)info.locked, "owner", info.owner, "waiting", (json_int_t)info.waiting,
                     "token", (json_int_t)info.token, "lease_ms", (json_int_t)info.lease_ms));
}

const struct command lock_commands[] = {
    {"run", "nn*", "NAME [--timeout MS] -- PROGRAM..", OPEN_NOTHING, HF_LOCK, true, run_owning,
     "owns it meanwhile; --lease-ms MS --refuse-deadlock"},
    {"release", "n", "NAME [--token N]", OPEN_EXISTING, HF_LOCK, false, release,
     "frees it, whatever its owner"},
    {"info", "n", "NAME", OPEN_EXISTING, HF_LOCK, false, describe, "its owner and token"},
    {"ls", "", "", OPEN_NOTHING, HF_ANY, false, lock_tree_print,
     "a tree of owners and waiters; deadlocks"},
    {0},
};
