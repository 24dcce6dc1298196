/* What the commands print, in the format that -o chose. All of it goes to stdout.
 *
 * layer   client/cli
 * format  table  for people: a single datum bare, several as columns
 *         raw    for shells: text bare, other values as JSON, one per line, pairs apart by a tab
 *         json   for programs: one object whose member names stay
 *         On a terminal what would be an order to it is escaped, but for raw; see terminal.h.
 */
#ifndef HF_CLI_OUTPUT_H
#define HF_CLI_OUTPUT_H

#include "client/cli/cli.h"

/* {"ok":true}, or nothing, for commands without a result. All functions here return an exit code.
 */
int output_done(const struct cli *cli);
/* {"value":V} */
int output_value(const struct cli *cli, const hf_value *value);
/* {"values":[..]}; `heading` names the table's column. */
int output_values(const struct cli *cli, const char *heading, const hf_value *values, size_t count);
/* {"items":[{"key":K,"value":V}, ..]} */
int output_entries(const struct cli *cli, const struct hf_entry *entries, size_t count);
/* One entry of a stream: {"key":K,"value":V} in a line of its own, or K tab V. */
int output_entry_line(const struct cli *cli, const struct hf_entry *entry);
/* {"name":N} */
int output_count(const struct cli *cli, const char *name, uint64_t count);
/* {"name":true}; CLI_NO for false. */
int output_bool(const struct cli *cli, const char *name, bool truth);
/* {"swapped":true,"found":V}; CLI_NO when not swapped. found is taken. */
int output_exchange(const struct cli *cli, bool swapped, hf_value *found);
/* {"name":V, ..}: an object of named members, which is taken. */
int output_members(const struct cli *cli, json_t *members);
/* {"objects":[..]}: an array of objects that have the same members, which is taken. `columns` are
 * the members a table shows, NULL-terminated. */
int output_rows(const struct cli *cli, const char *name, json_t *rows, const char *const *columns);

#endif
