/* Values as JSON and back.
 *
 * layer   client/cli
 * format  none, bool, numbers, text and tuples are JSON's null, true, 1, "x" and []; what JSON
 * lacks is an object: {"bytes":BASE64}, {"opaque":BASE64,"codec":NAME},
 * {"reference":ID,"kind":WORD},
 *         {"float":"nan"|"inf"|"-inf"}, {"uint":DIGITS} above 2^63 - 1
 */
#ifndef HF_CLI_VALUE_JSON_H
#define HF_CLI_VALUE_JSON_H

#include "client/cli/cli.h"

/* Returns a new document; ends the process when out of memory. */
json_t *value_json_encode(const hf_value *value);

/* Writes the document in one line, numbers as short as they stay exact. */
void value_json_print(const json_t *document, FILE *stream);
/* The same as a string, freed by free(). */
char *value_json_text(const json_t *document);

/* An argument of the command line: JSON when it is valid JSON, else text. `value` points into
 * memory of `cli`. Answers CLI_YES, or CLI_USAGE after reporting. */
int value_json_parse_argument(struct cli *cli, const char *argument, hf_value *value);

#endif
