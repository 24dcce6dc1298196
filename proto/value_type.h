/* The type of a value: two words, passed by value. Its functions are in value.h.
 *
 * layer   proto
 */
#ifndef HF_PROTO_VALUE_TYPE_H
#define HF_PROTO_VALUE_TYPE_H

#include <stdbool.h>
#include <stdint.h>

enum value_kind {
  VALUE_ABSENT, /* no value; the zero of the type, never on the wire */
  VALUE_NONE,
  VALUE_BOOL,
  VALUE_INT,
  VALUE_UINT, /* integers above INT64_MAX only */
  VALUE_FLOAT,
  VALUE_TEXT,
  VALUE_BYTES,
  VALUE_TUPLE,
  VALUE_REFERENCE,
  VALUE_OPAQUE,
};

#define VALUE_SMALL_BYTES_MAX 14
#define VALUE_BOXED 0xff /* small_len of text and bytes in a box */

struct value_box;

struct value {
  union {
    struct {
      uint8_t kind;        /* enum value_kind */
      uint8_t object_kind; /* of a reference: hf_kind's number */
      uint8_t unused[6];
      union {
        bool boolean;
        int64_t integer;
        uint64_t unsigned_integer;
        double real;
        uint64_t object;
        struct value_box *box;
      };
    };
    struct {
      uint8_t small_kind; /* the same byte as `kind` */
      uint8_t small_len;  /* text and bytes: the length, or VALUE_BOXED */
      uint8_t small[VALUE_SMALL_BYTES_MAX];
    };
  };
};
_Static_assert(sizeof(struct value) == 16, "a value is two words");

#endif
