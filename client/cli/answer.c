/* Common ends of handlers; see answer.h. */
#include "client/cli/answer.h"

int answer_done(const struct cli *cli, hf_status status) {
  return status == HF_OK ? output_done(cli) : cli_fail(cli);
}

int answer_value(const struct cli *cli, hf_status status, hf_value *value) {
  if (status != HF_OK)
    return cli_fail(cli);
  int code = output_value(cli, value);
  hf_value_clear(value);
  return code;
}

int answer_values(const struct cli *cli, hf_status status, const char *heading, hf_value *values,
                  size_t count) {
  if (status != HF_OK)
    return cli_fail(cli);
  int code = output_values(cli, heading, values, count);
  hf_values_free(values, count);
  return code;
}

int answer_count(const struct cli *cli, hf_status status, const char *name, const uint64_t *count) {
  return status == HF_OK ? output_count(cli, name, *count) : cli_fail(cli);
}

int answer_bool(const struct cli *cli, hf_status status, const char *name, const bool *truth) {
  return status == HF_OK ? output_bool(cli, name, *truth) : cli_fail(cli);
}

const hf_value *answer_rest(struct cli *cli, size_t first, size_t *count) {
  *count = cli->arg_count > first ? cli->arg_count - first : 0;
  hf_value *values = cli_alloc(cli, *count * sizeof *values);
  for (size_t i = 0; i < *count; i++)
    values[i] = cli->args[first + i].value;
  return values;
}
