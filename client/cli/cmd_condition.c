/* holdfast condition ...: creating and showing conditions. Waiting and notifying need the lock for
 * several calls, which is for programs.
 */
#include "client/cli/answer.h"
#include "client/cli/command.h"

/* The lock or rlock of that name; *lock stays NULL when none is named. */
static hf_status open_lock(struct cli *cli, hf_object **lock) {
  return cli->arg_count > 1 ? hf_open(cli->conn, cli->args[1].text, HF_ANY, lock) : HF_OK;
}

static int make(struct cli *cli, hf_object *object) {
  (void)object;
  hf_object *lock = NULL;
  hf_condition *condition;
  if (open_lock(cli, &lock) != HF_OK)
    return cli_fail_on(cli, cli->args[1].text);
  hf_status status = hf_condition_open(cli->conn, cli->args[0].text, (hf_lock *)lock, &condition);
  int code = answer_done(cli, status);
  if (status == HF_OK)
    hf_condition_close(condition);
  hf_object_close(lock);
  return code;
}

static int describe(struct cli *cli, hf_object *object) {
  struct hf_object_info info;
  if (hf_object_info(object, &info) != HF_OK)
    return cli_fail(cli);
  return output_members(
      cli, json_pack("{s:s, s:b, s:s, s:I}", "name", info.name, "locked", (int)info.locked, "owner",
                     info.owner, "waiting", (json_int_t)info.waiting));
}

const struct command condition_commands[] = {
    {"new", "n?n", "NAME [LOCK]", OPEN_NOTHING, HF_CONDITION, false, make,
     "creates it, on LOCK or one of its own"},
    {"info", "n", "NAME", OPEN_EXISTING, HF_CONDITION, false, describe, "its owner and waiters"},
    {0},
};
