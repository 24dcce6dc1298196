/* Values: data in containers and calls.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_VALUE_H
#define HOLDFAST_VALUE_H

#include <holdfast/base.h>

HF_BEGIN_DECLARATIONS

/* The kinds of object; also what a reference refers to. The numbers are the wire's. */
typedef enum hf_kind {
  HF_ANY = 0,
  HF_DICT = 1,
  HF_LIST = 2,
  HF_QUEUE = 3,
  HF_PIPE = 4,
  HF_NAMESPACE = 5,
  HF_VALUE = 6,
  HF_ARRAY = 7,
  HF_RAW_VALUE = 8,
  HF_RAW_ARRAY = 9,
  HF_LOCK = 10,
  HF_RLOCK = 11,
  HF_SEMAPHORE = 12,
  HF_BOUNDED_SEMAPHORE = 13,
  HF_EVENT = 14,
  HF_CONDITION = 15,
  HF_BARRIER = 16,
} hf_kind;

typedef enum hf_type {
  HF_TYPE_NONE,
  HF_TYPE_BOOL,
  HF_TYPE_INT,
  HF_TYPE_UINT, /* only integers above INT64_MAX: smaller ones are HF_TYPE_INT */
  HF_TYPE_FLOAT,
  HF_TYPE_TEXT, /* UTF-8 */
  HF_TYPE_BYTES,
  HF_TYPE_TUPLE,
  HF_TYPE_REFERENCE, /* to another object; see hf_reference_open */
  HF_TYPE_OPAQUE     /* in an encoding of the clients; the server only compares the bytes */
} hf_type;

/* One datum. Copying the struct shares what it points to. */
typedef struct hf_value {
  hf_type type;
  hf_kind kind; /* of a reference: the kind of object */
  union {
    bool boolean;
    int64_t integer;
    uint64_t unsigned_integer;
    double real;
    uint64_t object;  /* reference: the object's id */
    const char *text; /* ends in a NUL that size does not count, when it came back from a call */
    const uint8_t *bytes;         /* bytes and opaque */
    const struct hf_value *items; /* tuple */
  };
  size_t size;       /* bytes of text, bytes and opaque; items of a tuple */
  const char *codec; /* of opaque, NUL-terminated */
  void *owned;       /* what hf_value_clear() frees; NULL in values made by the functions below */
} hf_value;

/* Views of the program's data: nothing is copied, nothing is to be freed. */
HF_API hf_value hf_none(void);
HF_API hf_value hf_bool(bool boolean);
HF_API hf_value hf_int(int64_t integer);
HF_API hf_value hf_uint(uint64_t integer);
HF_API hf_value hf_float(double real);
HF_API hf_value hf_text(const char *text); /* NUL-terminated */
HF_API hf_value hf_text_n(const char *text, size_t size);
HF_API hf_value hf_bytes(const void *bytes, size_t size);
HF_API hf_value hf_tuple(const hf_value *items, size_t count);
HF_API hf_value hf_opaque(const char *codec, const void *data, size_t size);

/* Frees a value that a call returned and makes it none; drops the session's references in it.
 * Ignored for values made by the functions above. */
HF_API void hf_value_clear(hf_value *value);
/* The same for an array of values, and frees the array. */
HF_API void hf_values_free(hf_value *values, size_t count);
/* The equality that the server uses for keys, conditions and waits. As Python's ==: 1, 1.0 and true
 * are equal, and so are 0.0 and -0.0; references by identity. Unlike Python, NaN equals NaN. */
HF_API bool hf_value_equal(hf_value a, hf_value b);

struct hf_entry {
  hf_value key, value;
};
HF_API void hf_entries_free(struct hf_entry *entries, size_t count);

HF_END_DECLARATIONS

#endif
