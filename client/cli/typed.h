/* Common code of values and arrays on the command line.
 *
 * layer   client/cli
 */
#ifndef HF_CLI_TYPED_H
#define HF_CLI_TYPED_H

#include "client/cli/cli.h"

/* The one character of a TYPE argument. CLI_YES, or CLI_USAGE after reporting. */
int typed_read_typecode(const struct cli *cli, const char *word, char *typecode);
/* CLI_YES if the object is of one of the two kinds; else reports. */
int typed_check_kind(const struct cli *cli, const hf_object *object, hf_kind plain, hf_kind raw);
/* Typecode c has one byte, which is written as text: converts it to bytes. Other values are
 * unchanged. */
hf_value typed_byte(char typecode, hf_value value);
/* The same for the typecode of the object. */
hf_status typed_value(hf_object *object, hf_value written, hf_value *value);

#endif
