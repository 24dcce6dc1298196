#include "tests/support/request_maker.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BUDGET_BYTES ((size_t)64 << 20)
#define DEPTH_MAX 9 /* of messages within messages: a reference in a tuple in a transaction has 8 */
#define WIDE_DEPTH_MAX 3 /* below, arrays are short */

static const char *const names[] = {
    "any",       "dict", "list",  "queue", "pipe",  "namespace", "value",     "array",  "raw-value",
    "raw-array", "lock", "rlock", "sema",  "bound", "event",     "condition", "barrier"};

static const char *const texts[] = {"",         "a", "b",     "key",      "\x1b[2J",
                                    "\xff\xfe", "q", "lists", "attribute"};

void request_maker_init(struct request_maker *maker, uint64_t seed) {
  *maker = (struct request_maker){.random = {seed}};
  arena_init(&maker->arena, ARENA_BUDGET_BYTES);
}

void request_maker_deinit(struct request_maker *maker) {
  arena_deinit(&maker->arena);
}

void request_maker_learn(struct request_maker *maker, uint64_t object) {
  maker->objects[maker->objects_count++ % REQUEST_MAKER_OBJECTS_MAX] = object;
}

const char *request_maker_name(Holdfast__Kind kind) {
  return names[kind];
}

static uint64_t below(struct request_maker *maker, uint64_t limit) {
  return random_below(&maker->random, limit);
}

static void *take(struct request_maker *maker, size_t size) {
  void *memory = arena_alloc(&maker->arena, size ? size : 1);
  if (!memory) {
    abort(); /* the budget is far beyond what depth and counts allow */
  }
  return memory;
}

/* ---- numbers */

static uint64_t make_number(struct request_maker *maker) {
  static const uint64_t ends[] = {
      INT8_MAX,       UINT8_MAX,       INT16_MAX,     UINT16_MAX, INT32_MAX,           UINT32_MAX,
      1u << 28,       INT64_MAX,       INT64_MAX - 1, UINT64_MAX, (uint64_t)INT64_MIN, 1ull << 53,
      UINT64_MAX - 1, UINT64_MAX << 31};
  uint64_t choice = below(maker, 10);
  if (choice < 7) {
    return below(maker, 5);
  }
  if (choice < 8) {
    return 0 - (1 + below(maker, 3));
  }
  return choice < 9 ? ends[below(maker, sizeof ends / sizeof *ends)] : random_next(&maker->random);
}

static double make_real(struct request_maker *maker) {
  static const double reals[] = {0.0, -0.0, 1.0, 0.5, -1e308, 1e308, 5e-324, 9007199254740993.0};
  uint64_t choice = below(maker, 12);
  if (choice < 8) {
    return reals[choice];
  }
  double infinite = 1e308 * 10;
  return choice < 9 ? infinite : choice < 10 ? -infinite : choice < 11 ? infinite - infinite : 2.0;
}

static uint64_t make_object(struct request_maker *maker) {
  uint64_t known = maker->objects_count < REQUEST_MAKER_OBJECTS_MAX ? maker->objects_count
                                                                    : REQUEST_MAKER_OBJECTS_MAX;
  if (known == 0 || below(maker, 5) == 0) {
    return make_number(maker);
  }
  return maker->objects[below(maker, known)];
}

/* ---- bytes */

static ProtobufCBinaryData bytes_from(const char *text) {
  return (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
}

static ProtobufCBinaryData make_bytes(struct request_maker *maker, const char *field) {
  static const char typecodes[] = "cbB?hHiIlLqQfdZ";
  static const char *const letters[] = {"c", "b", "B", "?", "h", "H", "i", "I",
                                        "l", "L", "q", "Q", "f", "d", "Z"};
  if (strcmp(field, "typecode") == 0) {
    return bytes_from(letters[below(maker, sizeof typecodes - 1)]);
  }
  if (strcmp(field, "name") == 0 && below(maker, 8)) {
    return bytes_from(names[below(maker, sizeof names / sizeof *names)]);
  }
  if (below(maker, 20) == 0) {
    size_t len = (size_t)1 << below(maker, 15);
    return (ProtobufCBinaryData){len, memset(take(maker, len), 'x', len)};
  }
  return bytes_from(texts[below(maker, sizeof texts / sizeof *texts)]);
}

/* ---- messages */

static void fill(struct request_maker *maker, ProtobufCMessage *message, unsigned depth);

static ProtobufCMessage *make_message(struct request_maker *maker,
                                      const ProtobufCMessageDescriptor *descriptor,
                                      unsigned depth) {
  ProtobufCMessage *message = take(maker, descriptor->sizeof_message);
  descriptor->message_init(message);
  fill(maker, message, depth);
  return message;
}

static Holdfast__Value *make_missing_reference(struct request_maker *maker) {
  Holdfast__Value *value = take(maker, sizeof *value);
  holdfast__value__init(value);
  value->kind_case = HOLDFAST__VALUE__KIND_REFERENCE;
  value->reference = take(maker, sizeof *value->reference);
  holdfast__reference__init(value->reference);
  value->reference->object = UINT64_MAX - 1 - below(maker, 1000);
  return value;
}

static Holdfast__Value *wrap(struct request_maker *maker, Holdfast__Value *item) {
  Holdfast__Value *value = take(maker, sizeof *value);
  holdfast__value__init(value);
  value->kind_case = HOLDFAST__VALUE__KIND_TUPLE;
  value->tuple = take(maker, sizeof *value->tuple);
  holdfast__tuple__init(value->tuple);
  value->tuple->n_items = 1;
  value->tuple->items = take(maker, sizeof *value->tuple->items);
  value->tuple->items[0] = item;
  return value;
}

static ProtobufCMessage *make_part(struct request_maker *maker,
                                   const ProtobufCMessageDescriptor *descriptor, unsigned depth) {
  if (maker->refers_to_nothing && descriptor == &holdfast__value__descriptor && below(maker, 2)) {
    return &wrap(maker, wrap(maker, make_missing_reference(maker)))->base;
  }
  return make_message(maker, descriptor, depth);
}

/* One element, written to `element`. */
static void make_element(struct request_maker *maker, const ProtobufCFieldDescriptor *field,
                         void *element, unsigned depth) {
  uint64_t number;
  double real;
  ProtobufCBinaryData bytes;
  ProtobufCMessage *part;
  switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
      part = make_part(maker, field->descriptor, depth + 1);
      memcpy(element, &part, sizeof part);
      break;
    case PROTOBUF_C_TYPE_BYTES:
      bytes = make_bytes(maker, field->name);
      memcpy(element, &bytes, sizeof bytes);
      break;
    case PROTOBUF_C_TYPE_DOUBLE:
      real = make_real(maker);
      memcpy(element, &real, sizeof real);
      break;
    case PROTOBUF_C_TYPE_BOOL:
      *(protobuf_c_boolean *)element = (protobuf_c_boolean)below(maker, 2);
      break;
    case PROTOBUF_C_TYPE_ENUM:
      number = below(maker, 20) ? below(maker, 18) : make_number(maker);
      memcpy(element, &(int){(int)number}, sizeof(int));
      break;
    case PROTOBUF_C_TYPE_UINT32:
      number = make_number(maker);
      memcpy(element, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
      break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SINT64:
      number = strcmp(field->name, "object") == 0 || strcmp(field->name, "objects") == 0
                   ? make_object(maker)
                   : make_number(maker);
      memcpy(element, &number, sizeof number);
      break;
    default:
      abort(); /* the protocol has no such type: teach it here */
  }
}

static size_t element_bytes(const ProtobufCFieldDescriptor *field) {
  switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
      return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
      return sizeof(ProtobufCBinaryData);
    default:
      return sizeof(uint64_t);
  }
}

static void make_repeated(struct request_maker *maker, ProtobufCMessage *message,
                          const ProtobufCFieldDescriptor *field, unsigned depth) {
  size_t count = below(maker, depth >= DEPTH_MAX ? 1 : depth > WIDE_DEPTH_MAX ? 3 : 4);
  if (depth <= WIDE_DEPTH_MAX && below(maker, 50) == 0) {
    count = below(maker, 80);
  }
  size_t step = element_bytes(field);
  uint8_t *elements = take(maker, count * step);
  for (size_t i = 0; i < count; i++) {
    make_element(maker, field, elements + i * step, depth);
  }
  memcpy((uint8_t *)message + field->quantifier_offset, &count, sizeof count);
  memcpy((uint8_t *)message + field->offset, &elements, sizeof elements);
}

/* Arms of one oneof share the member of their case: the first that is drawn is set. */
static bool is_taken(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field) {
  int arm;
  memcpy(&arm, (const uint8_t *)message + field->quantifier_offset, sizeof arm);
  return arm != 0;
}

static void make_arm(struct request_maker *maker, ProtobufCMessage *message,
                     const ProtobufCFieldDescriptor *field, unsigned depth) {
  int arm = (int)field->id;
  memcpy((uint8_t *)message + field->quantifier_offset, &arm, sizeof arm);
  make_element(maker, field, (uint8_t *)message + field->offset, depth);
}

static void make_field(struct request_maker *maker, ProtobufCMessage *message,
                       const ProtobufCFieldDescriptor *field, unsigned depth) {
  bool nests = field->type == PROTOBUF_C_TYPE_MESSAGE && depth >= DEPTH_MAX;
  if (field->label == PROTOBUF_C_LABEL_REPEATED) {
    make_repeated(maker, message, field, depth);
  } else if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
    if (!nests && !is_taken(message, field)) {
      make_arm(maker, message, field, depth);
    }
  } else if (!nests && below(maker, 12)) {
    make_element(maker, field, (uint8_t *)message + field->offset, depth);
  }
}

/* From a random field on, so that each arm of a oneof is drawn. */
static void fill(struct request_maker *maker, ProtobufCMessage *message, unsigned depth) {
  unsigned count = message->descriptor->n_fields;
  uint64_t first = count ? below(maker, count) : 0;
  for (unsigned i = 0; i < count; i++) {
    const ProtobufCFieldDescriptor *field = &message->descriptor->fields[(first + i) % count];
    make_field(maker, message, field, depth);
  }
}

/* ---- requests */

static bool is_operation(const ProtobufCFieldDescriptor *field) {
  return field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
         field->quantifier_offset == offsetof(Holdfast__Request, operation_case);
}

size_t request_maker_operations_count(void) {
  size_t count = 0;
  for (unsigned i = 0; i < holdfast__request__descriptor.n_fields; i++) {
    count += is_operation(&holdfast__request__descriptor.fields[i]);
  }
  return count;
}

static const ProtobufCFieldDescriptor *find_operation(size_t operation) {
  const ProtobufCFieldDescriptor *field = holdfast__request__descriptor.fields;
  for (;; field++) {
    if (is_operation(field) && operation-- == 0) {
      return field;
    }
  }
}

/* The name that operation works on, mostly: dict_get works on "dict". */
static void aim(struct request_maker *maker, Holdfast__Request *request, const char *operation) {
  uint64_t choice = below(maker, 10);
  request->target_case = HOLDFAST__REQUEST__TARGET_NAME;
  if (choice == 0) {
    request->target_case = HOLDFAST__REQUEST__TARGET_OBJECT;
    request->object = make_object(maker);
    return;
  }
  request->name = make_bytes(maker, "name");
  for (size_t kind = 1; choice > 2 && kind < sizeof names / sizeof *names; kind++) {
    if (strncmp(operation, names[kind], strcspn(operation, "_")) == 0) {
      request->name = bytes_from(names[kind]);
      return;
    }
  }
}

static int64_t make_timeout_ms(struct request_maker *maker) {
  uint64_t choice = below(maker, 20);
  return choice < 12 ? 0 : choice < 19 ? (int64_t)below(maker, 20) : (int64_t)make_number(maker);
}

static ProtobufCBinaryData data_of(const char *text) {
  return (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
}

Holdfast__Request *request_maker_open(struct request_maker *maker, Holdfast__Kind kind) {
  arena_reset(&maker->arena);
  Holdfast__Request *request = take(maker, sizeof *request);
  Holdfast__ObjectOpen *open = take(maker, sizeof *open);
  holdfast__request__init(request);
  holdfast__object_open__init(open);
  open->kind = kind;
  open->name = data_of(request_maker_name(kind));
  open->typecode = data_of("q");
  open->length = 5;
  open->parties = 2;
  open->maxsize = 20;
  request->operation_case = HOLDFAST__REQUEST__OPERATION_OBJECT_OPEN;
  request->object_open = open;
  return request;
}

Holdfast__Request *request_maker_make(struct request_maker *maker, size_t operation) {
  const ProtobufCFieldDescriptor *field = find_operation(operation);
  arena_reset(&maker->arena);
  Holdfast__Request *request = take(maker, sizeof *request);
  holdfast__request__init(request);
  if (below(maker, 30)) {
    request->wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
    request->timeout_ms = make_timeout_ms(maker);
  }
  request->thread = below(maker, 3);
  aim(maker, request, field->name);
  make_arm(maker, &request->base, field, 0);
  return request;
}
