/* Conversion of numbers to and from elements of mapped cells.
 *
 * layer   client, mapped
 * threads any
 */
#ifndef HF_CLIENT_MAPPED_NUMBERS_H
#define HF_CLIENT_MAPPED_NUMBERS_H

#include "client/src/call/values.h"
#include "client/src/mapped/mapped_cell.h"

/* A number as cells accept it; VALUE_NONE for all else. */
struct value mapped_input(const hf_value *value);
/* Converts a number to the C type of `access` (enum hf_access); clears the value. INVALID_ARGUMENT
 * WRONG_TYPE | OUT_OF_RANGE OVERFLOW */
hf_status mapped_take_number(hf_value *value, int access, void *number);
/* HF_REASON_NONE | NO_MEMORY */
hf_reason mapped_output(hf_object *object, uint64_t bits, hf_value *value);

#endif
