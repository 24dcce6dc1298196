/* Random requests of every operation and argument shape, made from the messages' descriptors: a new
 * operation, or a new field, is covered without a line here.
 *
 * shapes  numbers are mostly small, often at an end of their type's range; references name objects
 *         that exist, that are gone, or that never were; enums may be out of range
 * memory  a request, and all it points to, lives until the next one is made
 */
#ifndef HF_TESTS_SUPPORT_REQUEST_MAKER_H
#define HF_TESTS_SUPPORT_REQUEST_MAKER_H

#include "proto/base/arena.h"
#include "proto/holdfast.pb-c.h"
#include "tests/support/random.h"

#include <stdbool.h>

#define REQUEST_MAKER_OBJECTS_MAX 64

struct request_maker {
  struct random random;
  struct arena arena;
  /* Ids for targets and references, added by request_maker_learn; the oldest is replaced. */
  uint64_t objects[REQUEST_MAKER_OBJECTS_MAX];
  uint64_t objects_count;
  bool refers_to_nothing; /* every second value is a tuple with a reference to no object */
};

void request_maker_init(struct request_maker *maker, uint64_t seed);
void request_maker_deinit(struct request_maker *maker);
/* The number of operations. */
size_t request_maker_operations_count(void);
/* A request of the operation of that index, without session, sequence and acknowledgements. */
Holdfast__Request *request_maker_make(struct request_maker *maker, size_t operation);
/* A request that opens the object for requests of the kind. */
Holdfast__Request *request_maker_open(struct request_maker *maker, Holdfast__Kind kind);
/* Adds an id of an object that exists or has existed. */
void request_maker_learn(struct request_maker *maker, uint64_t object);
/* The name of the object for requests of the kind. */
const char *request_maker_name(Holdfast__Kind kind);

#endif
