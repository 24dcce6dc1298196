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
/* A number of the type's kind, whose range is not checked; bytes are borrowed from the object. May run
 * Python code. false with an exception, mostly TypeError. */
bool number_value(char typecode, PyObject *object, hf_value *value);
/* Stores a value that number_value made. false with OverflowError beyond the type. */
bool number_put(char typecode, void *element, const hf_value *value);
/* Both. */
bool number_store(char typecode, void *element, PyObject *object);

#endif
