/* The fields of a Value.
 *
 * layer   dispatch; private to encode*.c
 */
#ifndef HF_DISPATCH_ENCODE_VALUE_H
#define HF_DISPATCH_ENCODE_VALUE_H

#include "server/dispatch/encode_writer.h"

/* Of a struct value. */
void encode_value(struct writer *writer, const void *value);

#endif
