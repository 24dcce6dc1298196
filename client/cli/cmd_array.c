/* holdfast array ... */
#include "client/cli/answer.h"
#include "client/cli/command.h"
#include "client/cli/typed.h"

#define ARRAY(object) ((hf_array *)(object))

static int check(const struct cli *cli, const hf_object *object) {
  return typed_check_kind(cli, object, HF_ARRAY, HF_RAW_ARRAY);
}

static hf_value *as_bytes(struct cli *cli, char typecode, const hf_value *items, size_t count) {
  hf_value *values = cli_alloc(cli, count * sizeof *values);
  for (size_t i = 0; i < count; i++)
    values[i] = typed_byte(typecode, items[i]);
  return values;
}

/* NAME TYPE LENGTH or NAME TYPE [V, ..]. */
static int make(struct cli *cli, hf_object *object) {
  (void)object;
  char typecode;
  hf_array *array;
  hf_value content = cli->args[2].value;
  int code = typed_read_typecode(cli, cli->args[1].text, &typecode);
  if (code != CLI_YES)
    return code;
  bool is_length = content.type == HF_TYPE_INT && content.integer >= 0;
  if (!is_length && content.type != HF_TYPE_TUPLE)
    return cli_usage(cli, "an array takes its length, or its values as [V, ..]");
  size_t length = is_length ? (size_t)content.integer : content.size;
  const hf_value *initial = is_length ? NULL : as_bytes(cli, typecode, content.items, content.size);
  const char *name = cli->args[0].text;
  hf_status (*open)(hf_conn *, const char *, char, size_t, const hf_value *, hf_array **) =
      cli->options.is_volatile
          ? (cli->options.raw_object ? hf_raw_array_open_volatile : hf_array_open_volatile)
          : (cli->options.raw_object ? hf_raw_array_open : hf_array_open);
  if (open(cli->conn, name, typecode, length, initial, &array) != HF_OK)
    return cli_fail_on(cli, name);
  hf_array_close(array);
  return output_done(cli);
}

static int get(struct cli *cli, hf_object *object) {
  hf_value value;
  int code = check(cli, object);
  if (code != CLI_YES)
    return code;
  hf_status status = hf_array_get(ARRAY(object), cli->args[1].integer, &value);
  return answer_value(cli, status, &value);
}

static int set_slice(struct cli *cli, hf_object *object) {
  const hf_value *tuple = &cli->args[2].value;
  struct hf_object_info info;
  if (tuple->type != HF_TYPE_TUPLE)
    return cli_usage(cli, "a slice is set to several values: [V, ..]");
  if (hf_object_info(object, &info) != HF_OK)
    return cli_fail(cli);
  const hf_value *values = as_bytes(cli, info.typecode, tuple->items, tuple->size);
  return answer_done(cli,
                     hf_array_set_slice(ARRAY(object), cli->args[1].slice, values, tuple->size));
}

static int set(struct cli *cli, hf_object *object) {
  hf_value value;
  int code = check(cli, object);
  if (code != CLI_YES)
    return code;
  if (cli->args[1].is_slice)
    return set_slice(cli, object);
  hf_status status = typed_value(object, cli->args[2].value, &value);
  if (status == HF_OK)
    status = hf_array_set(ARRAY(object), cli->args[1].integer, value);
  return answer_done(cli, status);
}

static int slice(struct cli *cli, hf_object *object) {
  hf_value *values = NULL;
  size_t count = 0;
  struct hf_slice bounds = cli->arg_count > 1 ? cli->args[1].slice : HF_SLICE_ALL;
  int code = check(cli, object);
  if (code != CLI_YES)
    return code;
  if (cli->arg_count > 1 && !cli->args[1].is_slice)
    return cli_usage(cli, "a slice is START:STOP:STEP");
  hf_status status = hf_array_get_slice(ARRAY(object), bounds, &values, &count);
  return answer_values(cli, status, "value", values, count);
}

static int len(struct cli *cli, hf_object *object) {
  uint64_t length;
  int code = check(cli, object);
  return code != CLI_YES ? code
                         : answer_count(cli, hf_array_len(ARRAY(object), &length), "len", &length);
}

static int add(struct cli *cli, hf_object *object) {
  hf_value sum;
  hf_value amount = cli->arg_count > 2 ? cli->args[2].value : hf_int(1);
  int code = check(cli, object);
  if (code != CLI_YES)
    return code;
  hf_status status = hf_array_add(ARRAY(object), cli->args[1].integer, amount, &sum);
  return answer_value(cli, status, &sum);
}

const struct command array_commands[] = {
    {"new", "nnv", "NAME TYPE LENGTH|[V, ..]", OPEN_NOTHING, HF_ANY, false, make,
     "TYPE as in Python: i, d, ..; --raw, --volatile"},
    {"get", "ni", "NAME INDEX", OPEN_EXISTING, HF_ANY, false, get, "one element"},
    {"set", "nsv", "NAME INDEX|SLICE VALUE", OPEN_EXISTING, HF_ANY, false, set,
     "replaces; a slice takes [V, ..]"},
    {"slice", "n?s", "NAME [START:STOP:STEP]", OPEN_EXISTING, HF_ANY, false, slice,
     "several elements, or all"},
    {"len", "n", "NAME", OPEN_EXISTING, HF_ANY, false, len, "how many elements"},
    {"add", "ni?v", "NAME INDEX [AMOUNT]", OPEN_EXISTING, HF_ANY, false, add,
     "adds (1), prints the sum; atomic"},
    {0},
};
