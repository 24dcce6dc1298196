/* holdfast semaphore ... */
#include "client/cli/answer.h"
#include "client/cli/command.h"
#include "client/cli/program.h"
#include "client/cli/typed.h"

#define SEMAPHORE(object) ((hf_semaphore *)(object))

static int check(const struct cli *cli, const hf_object *object) {
  return typed_check_kind(cli, object, HF_SEMAPHORE, HF_BOUNDED_SEMAPHORE);
}

static int make(struct cli *cli, hf_object *object) {
  (void)object;
  hf_semaphore *semaphore;
  const char *name = cli->args[0].text;
  hf_status status =
      cli->options.bounded
          ? hf_bounded_semaphore_open(cli->conn, name, cli->options.start, &semaphore)
          : hf_semaphore_open(cli->conn, name, cli->options.start, &semaphore);
  if (status != HF_OK)
    return cli_fail_on(cli, name);
  hf_semaphore_close(semaphore);
  return output_done(cli);
}

static int run_owning(struct cli *cli, hf_object *object) {
  int code = check(cli, object);
  if (code != CLI_YES)
    return code;
  if (hf_semaphore_acquire(SEMAPHORE(object), cli_wait_ms(cli)) != HF_OK)
    return cli_fail(cli);
  struct program program = {.words = program_words(cli), .resource = "semaphore", .input = -1};
  struct program_end end = {.lost = false};
  code = program_run(cli, &program, &end);
  if (code == CLI_YES)
    code = end.code;
  /* A permit lost with the session was released already; then this call is refused with the reason.
   */
  if (hf_semaphore_release(SEMAPHORE(object), 1) != HF_OK || end.lost)
    code = cli_fail(cli);
  return code;
}

static int release(struct cli *cli, hf_object *object) {
  int64_t count = cli->arg_count > 1 ? cli->args[1].integer : 1;
  if (count < 1)
    return cli_usage(cli, "COUNT is at least 1");
  int code = check(cli, object);
  return code != CLI_YES
             ? code
             : answer_done(cli, hf_semaphore_release(SEMAPHORE(object), (uint64_t)count));
}

static int describe(struct cli *cli, hf_object *object) {
  struct hf_object_info info;
  int code = check(cli, object);
  if (code != CLI_YES)
    return code;
  if (hf_object_info(object, &info) != HF_OK)
    return cli_fail(cli);
  return output_members(
      cli, json_pack("{s:s, s:s, s:I, s:I}", "name", info.name, "kind", hf_kind_name(info.kind),
                     "value", (json_int_t)info.value, "waiting", (json_int_t)info.waiting));
}

const struct command semaphore_commands[] = {
    {"new", "n", "NAME [--start N] [--bounded]", OPEN_NOTHING, HF_ANY, false, make,
     "creates it; starts at 1 by default"},
    {"run", "nn*", "NAME [--timeout MS] -- PROGRAM..", OPEN_EXISTING, HF_ANY, true, run_owning,
     "has one while PROGRAM runs"},
    {"release", "n?i", "NAME [COUNT]", OPEN_EXISTING, HF_ANY, false, release,
     "adds to it (1), by any client"},
    {"info", "n", "NAME", OPEN_EXISTING, HF_ANY, false, describe, "permits left; waiters"},
    {0},
};
