#include "client/python/src/number.h"

#include <limits.h>

#define TYPECODES "cbB?hHiIlLqQfd"

char number_typecode(PyObject *typecode) {
  Py_ssize_t len;
  const char *text = PyUnicode_Check(typecode) ? PyUnicode_AsUTF8AndSize(typecode, &len) : NULL;
  if (text == NULL) {
    if (!PyErr_Occurred()) {
      PyErr_Format(PyExc_TypeError, "typecode must be a str, not %.200s",
                   Py_TYPE(typecode)->tp_name);
    }
    return '\0';
  }
  if (len != 1 || strchr(TYPECODES, *text) == NULL) {
    PyErr_SetString(PyExc_ValueError,
                    "bad typecode (must be c, b, B, ?, h, H, i, I, l, L, q, Q, f or d)");
    return '\0';
  }
  return *text;
}

size_t number_bytes(char typecode) {
  switch (typecode) {
    case 'h':
    case 'H':
      return sizeof(short);
    case 'i':
    case 'I':
      return sizeof(int);
    case 'l':
    case 'L':
      return sizeof(long);
    case 'q':
    case 'Q':
      return sizeof(long long);
    case 'f':
      return sizeof(float);
    case 'd':
      return sizeof(double);
    default:
      return 1;
  }
}

/* NOLINTNEXTLINE(bugprone-macro-parentheses): a type */
#define LOAD(type) (*(const volatile type *)element)

PyObject *number_load(char typecode, const void *element) {
  char byte;
  switch (typecode) {
    case 'c':
      byte = LOAD(char);
      return PyBytes_FromStringAndSize(&byte, 1);
    case '?':
      return PyBool_FromLong(LOAD(char));
    case 'b':
      return PyLong_FromLong(LOAD(signed char));
    case 'B':
      return PyLong_FromLong(LOAD(unsigned char));
    case 'h':
      return PyLong_FromLong(LOAD(short));
    case 'H':
      return PyLong_FromLong(LOAD(unsigned short));
    case 'i':
      return PyLong_FromLong(LOAD(int));
    case 'I':
      return PyLong_FromUnsignedLong(LOAD(unsigned int));
    case 'l':
      return PyLong_FromLong(LOAD(long));
    case 'L':
      return PyLong_FromUnsignedLong(LOAD(unsigned long));
    case 'q':
      return PyLong_FromLongLong(LOAD(long long));
    case 'Q':
      return PyLong_FromUnsignedLongLong(LOAD(unsigned long long));
    case 'f':
      return PyFloat_FromDouble((double)LOAD(float));
    default:
      return PyFloat_FromDouble(LOAD(double));
  }
}

/* ---------------------------------------------------------------- from Python */

/* What has __index__, or is beyond 63 bits: out of 64 bits OverflowError. */
static __attribute__((noinline)) bool take_index(PyObject *object, hf_value *value) {
  PyObject *number = PyNumber_Index(object);
  int overflow = 0;
  if (number == NULL) {
    return false;
  }
  long long integer = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (overflow > 0) {
    *value = hf_uint(PyLong_AsUnsignedLongLong(number));
  } else if (overflow < 0) {
    PyErr_SetString(PyExc_OverflowError, "int too large to convert");
  } else {
    *value = hf_int(integer);
  }
  Py_DECREF(number);
  return !PyErr_Occurred();
}

static inline bool take_integer(PyObject *object, hf_value *value) {
  int overflow = 1;
  long long integer =
      PyLong_CheckExact(object) ? PyLong_AsLongLongAndOverflow(object, &overflow) : 0;
  if (overflow != 0) {
    return take_index(object, value);
  }
  *value = hf_int(integer);
  return true;
}

static bool take_real(PyObject *object, hf_value *value) {
  double real = PyFloat_AsDouble(object);
  *value = hf_float(real);
  return real != -1 || !PyErr_Occurred();
}

/* bytes or bytearray of size 1, or an int. */
static bool take_byte(PyObject *object, hf_value *value) {
  if (PyBytes_Check(object) && PyBytes_GET_SIZE(object) == 1) {
    *value = hf_bytes(PyBytes_AS_STRING(object), 1);
    return true;
  }
  if (PyByteArray_Check(object) && PyByteArray_GET_SIZE(object) == 1) {
    *value = hf_bytes(PyByteArray_AS_STRING(object), 1);
    return true;
  }
  if (PyLong_Check(object)) {
    return take_integer(object, value);
  }
  PyErr_SetString(PyExc_TypeError, "one character bytes, bytearray or integer expected");
  return false;
}

bool number_value(char typecode, PyObject *object, hf_value *value) {
  int truth;
  switch (typecode) {
    case 'c':
      return take_byte(object, value);
    case '?':
      truth = PyObject_IsTrue(object);
      *value = hf_bool(truth > 0);
      return truth >= 0;
    case 'f':
    case 'd':
      return take_real(object, value);
    default:
      return take_integer(object, value);
  }
}

/* ---------------------------------------------------------------- into memory */

static bool fail_range(char typecode) {
  PyErr_Format(PyExc_OverflowError, "the number is out of the range of typecode '%c'", typecode);
  return false;
}

/* NOLINTNEXTLINE(bugprone-macro-parentheses): a type */
#define STORE(type, number) (*(volatile type *)element = (type)(number))

static bool is_within(const hf_value *value, long long min, unsigned long long max) {
  return value->type == HF_TYPE_UINT
             ? value->unsigned_integer <= max
             : value->integer >= min &&
                   (value->integer < 0 || (unsigned long long)value->integer <= max);
}

#define INTEGER(letter, ctype, min, max)                  \
  case letter:                                            \
    if (!is_within(value, (min), (max))) {                \
      return fail_range(typecode);                        \
    }                                                     \
    STORE(ctype, value->unsigned_integer); /* its bits */ \
    return true

static bool store_integer(char typecode, void *element, const hf_value *value) {
  switch (typecode) {
    INTEGER('c', unsigned char, 0, UCHAR_MAX);
    INTEGER('b', signed char, SCHAR_MIN, SCHAR_MAX);
    INTEGER('B', unsigned char, 0, UCHAR_MAX);
    INTEGER('h', short, SHRT_MIN, SHRT_MAX);
    INTEGER('H', unsigned short, 0, USHRT_MAX);
    INTEGER('i', int, INT_MIN, INT_MAX);
    INTEGER('I', unsigned int, 0, UINT_MAX);
    INTEGER('l', long, LONG_MIN, LONG_MAX);
    INTEGER('L', unsigned long, 0, ULONG_MAX);
    INTEGER('q', long long, LLONG_MIN, LLONG_MAX);
    INTEGER('Q', unsigned long long, 0, ULLONG_MAX);
    default:
      return fail_range(typecode);
  }
}

bool number_put(char typecode, void *element, const hf_value *value) {
  switch (value->type) {
    case HF_TYPE_BYTES:
      STORE(unsigned char, *value->bytes);
      return true;
    case HF_TYPE_BOOL:
      STORE(char, value->boolean);
      return true;
    case HF_TYPE_FLOAT:
      if (typecode == 'f') {
        STORE(float, value->real);
      } else {
        STORE(double, value->real);
      }
      return true;
    default:
      return store_integer(typecode, element, value);
  }
}

bool number_store(char typecode, void *element, PyObject *object) {
  hf_value value;
  return number_value(typecode, object, &value) && number_put(typecode, element, &value);
}
