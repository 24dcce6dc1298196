/* Elements of Values and Arrays as C has them.
 *
 * threads The GIL is held. Loads and stores of elements are not torn.
 */
#ifndef HOLDFAST_PYTHON_NUMBER_H
#define HOLDFAST_PYTHON_NUMBER_H

#include "client/python/src/core.h"

/* '\0' with an exception: no str of one of the letters. */
char number_typecode(PyObject *typecode);
size_t number_bytes(char typecode);
/* The element as Python has it. */
PyObject *number_load(char typecode, const void *element);
/* false with TypeError, or OverflowError beyond the type. */
bool number_store(char typecode, void *element, PyObject *object);
/* The same for a call: a value of the type; bytes are borrowed from the object. The library checks
 * the range. */
bool number_value(char typecode, PyObject *object, hf_value *value);

#endif
