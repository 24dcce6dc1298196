/* holdfast value ... */
#include "client/cli/answer.h"
#include "client/cli/command.h"
#include "client/cli/typed.h"

#define CELL(object) ((hf_cell *)(object))

static int check(const struct cli *cli, const hf_object *object) {
  return typed_check_kind(cli, object, HF_VALUE, HF_RAW_VALUE);
}

static int make(struct cli *cli, hf_object *object) {
  (void)object;
  char typecode;
  hf_cell *cell;
  int code = typed_read_typecode(cli, cli->args[1].text, &typecode);
  if (code != CLI_YES)
    return code;
  hf_value initial = hf_int(0);
  if (typecode == 'c')
    initial = hf_bytes("", 1);
  if (cli->arg_count > 2)
    initial = typed_byte(typecode, cli->args[2].value);
  const char *name = cli->args[0].text;
  hf_status (*open)(hf_conn *, const char *, char, hf_value, hf_cell **) =
      cli->options.is_volatile
          ? (cli->options.raw_object ? hf_raw_cell_open_volatile : hf_cell_open_volatile)
          : (cli->options.raw_object ? hf_raw_cell_open : hf_cell_open);
  if (open(cli->conn, name, typecode, initial, &cell) != HF_OK)
    return cli_fail_on(cli, name);
  hf_cell_close(cell);
  return output_done(cli);
}

static int get(struct cli *cli, hf_object *object) {
  hf_value value;
  int code = check(cli, object);
  return code != CLI_YES ? code : answer_value(cli, hf_cell_get(CELL(object), &value), &value);
}

static int set(struct cli *cli, hf_object *object) {
  hf_value value;
  int code = check(cli, object);
  if (code != CLI_YES)
    return code;
  hf_status status = typed_value(object, cli->args[1].value, &value);
  return answer_done(cli, status == HF_OK ? hf_cell_set(CELL(object), value) : status);
}

static int add(struct cli *cli, hf_object *object) {
  hf_value sum;
  hf_value amount = cli->arg_count > 1 ? cli->args[1].value : hf_int(1);
  int code = check(cli, object);
  return code != CLI_YES ? code : answer_value(cli, hf_cell_add(CELL(object), amount, &sum), &sum);
}

static int compare_and_set(struct cli *cli, hf_object *object) {
  bool swapped;
  hf_value expected, desired, found;
  int code = check(cli, object);
  if (code != CLI_YES)
    return code;
  if (typed_value(object, cli->args[1].value, &expected) != HF_OK ||
      typed_value(object, cli->args[2].value, &desired) != HF_OK ||
      hf_cell_compare_and_set(CELL(object), expected, desired, &swapped, &found) != HF_OK)
    return cli_fail(cli);
  return output_exchange(cli, swapped, &found);
}

static int wait_change(struct cli *cli, hf_object *object) {
  hf_value known, value;
  int code = check(cli, object);
  if (code != CLI_YES)
    return code;
  hf_status status = typed_value(object, cli->args[1].value, &known);
  if (status == HF_OK)
    status = hf_cell_wait(CELL(object), known, cli_wait_ms(cli), &value);
  return answer_value(cli, status, &value);
}

const struct command value_commands[] = {
    {"new", "nn?v", "NAME TYPE [INITIAL]", OPEN_NOTHING, HF_ANY, false, make,
     "TYPE as in Python: i, d, ..; --raw, --volatile"},
    {"get", "n", "NAME", OPEN_EXISTING, HF_ANY, false, get, "the number"},
    {"set", "nv", "NAME VALUE", OPEN_EXISTING, HF_ANY, false, set, "sets it"},
    {"add", "n?v", "NAME [AMOUNT]", OPEN_EXISTING, HF_ANY, false, add,
     "adds (1), prints the sum; atomic"},
    {"cas", "nvv", "NAME EXPECTED DESIRED", OPEN_EXISTING, HF_ANY, false, compare_and_set,
     "compare and set"},
    {"wait", "nv", "NAME KNOWN", OPEN_EXISTING, HF_ANY, true, wait_change,
     "until it is not KNOWN; --timeout"},
    {0},
};
