/* Common ends of handlers: print the result of a call, or report its error.
 *
 * layer   client/cli
 * memory  values passed to these functions are taken
 */
#ifndef HF_CLI_ANSWER_H
#define HF_CLI_ANSWER_H

#include "client/cli/output.h"

/* All return an exit code, and read their other arguments only if `status` is HF_OK. */
int answer_done(const struct cli *cli, hf_status status);
int answer_value(const struct cli *cli, hf_status status, hf_value *value);
int answer_values(const struct cli *cli, hf_status status, const char *heading, hf_value *values,
                  size_t count);
int answer_count(const struct cli *cli, hf_status status, const char *name, const uint64_t *count);
int answer_bool(const struct cli *cli, hf_status status, const char *name, const bool *truth);

/* The values of the arguments from `first` on, in one array that lives as long as `cli`. */
const hf_value *answer_rest(struct cli *cli, size_t first, size_t *count);

#endif
