/* holdfast barrier ... */
#include "client/cli/answer.h"
#include "client/cli/command.h"

#define BARRIER(object) ((hf_barrier *)(object))

static int make(struct cli *cli, hf_object *object) {
  (void)object;
  hf_barrier *barrier;
  if (cli->options.parties == 0)
    return cli_usage(cli, "--parties N says how many meet at the barrier");
  if (hf_barrier_open(cli->conn, cli->args[0].text, cli->options.parties, &barrier) != HF_OK)
    return cli_fail_on(cli, cli->args[0].text);
  hf_barrier_close(barrier);
  return output_done(cli);
}

static int wait_all(struct cli *cli, hf_object *object) {
  uint64_t index;
  hf_status status = hf_barrier_wait(BARRIER(object), cli_wait_ms(cli), NULL, NULL, &index);
  return answer_count(cli, status, "index", &index);
}

static int abort_it(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_barrier_abort(BARRIER(object)));
}

static int reset(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_barrier_reset(BARRIER(object)));
}

static int describe(struct cli *cli, hf_object *object) {
  struct hf_object_info info;
  if (hf_object_info(object, &info) != HF_OK)
    return cli_fail(cli);
  return output_members(
      cli, json_pack("{s:s, s:I, s:I, s:b}", "name", info.name, "parties", (json_int_t)info.parties,
                     "arrived", (json_int_t)info.arrived, "broken", (int)info.broken));
}

const struct command barrier_commands[] = {
    {"new", "n", "NAME --parties N", OPEN_NOTHING, HF_BARRIER, false, make, "creates it"},
    {"wait", "n", "NAME", OPEN_EXISTING, HF_BARRIER, true, wait_all,
     "for all; prints its index; --timeout"},
    {"abort", "n", "NAME", OPEN_EXISTING, HF_BARRIER, false, abort_it, "breaks it, until reset"},
    {"reset", "n", "NAME", OPEN_EXISTING, HF_BARRIER, false, reset, "as new"},
    {"info", "n", "NAME", OPEN_EXISTING, HF_BARRIER, false, describe,
     "how many are there; is it broken?"},
    {0},
};
