#include "server/dispatch/operations.h"

#include "server/engine/handlers.h"

#define KIND(name) (1u << HOLDFAST__KIND__##name)
#define NO_OBJECT 0
#define ANY_OBJECT OPERATION_ANY_KIND
#define DICT KIND(DICT)
#define LIST KIND(LIST)
#define QUEUE KIND(QUEUE)
#define PIPE KIND(PIPE)
#define NAMESPACE KIND(NAMESPACE)
#define VALUES (KIND(VALUE) | KIND(RAW_VALUE))
#define ARRAYS (KIND(ARRAY) | KIND(RAW_ARRAY))
#define CELLS (VALUES | ARRAYS)
#define LOCKS (KIND(LOCK) | KIND(RLOCK) | KIND(VALUE) | KIND(ARRAY) | KIND(CONDITION))
#define SEMAPHORES (KIND(SEMAPHORE) | KIND(BOUNDED_SEMAPHORE))
#define EVENT KIND(EVENT)
#define CONDITION KIND(CONDITION)
#define BARRIER KIND(BARRIER)

#define NOTHING ACCESS_NOTHING
#define READ ACCESS_READ
#define WRITE ACCESS_WRITE
#define READ_WRITE (ACCESS_READ | ACCESS_WRITE)
#define EITHER ACCESS_EITHER
#define CREATE ACCESS_CREATE

#define KEPT REPEAT_KEPT
#define AGAIN REPEAT_AGAIN

#define NO_EFFECT EFFECT_NONE
#define SESSION EFFECT_SESSION
#define OBJECT EFFECT_OBJECT

#define WAITS OPERATION_WAITS
#define STORES OPERATION_STORES
#define ONE_WAY OPERATION_ONE_WAY
#define NEEDS_SESSION OPERATION_NEEDS_SESSION
#define OPENS OPERATION_OPENS
#define SELECTABLE OPERATION_SELECTABLE
#define IN_TRANSACTION OPERATION_IN_TRANSACTION
#define ANY_TIMEOUT OPERATION_ANY_TIMEOUT
#define SILENT OPERATION_SILENT
#define FREES OPERATION_FREES

static const struct operation operations[] = {
#define ROW(arm, object, access, repeat, effect, flags, handler)              \
  [HOLDFAST__REQUEST__OPERATION_##arm] = {HOLDFAST__REQUEST__OPERATION_##arm, \
                                          object,                             \
                                          flags,                              \
                                          access,                             \
                                          repeat,                             \
                                          effect,                             \
                                          handle_##handler},
    HF_OPERATIONS(ROW)
#undef ROW
};

const char *operations_name(uint32_t arm) {
  const ProtobufCFieldDescriptor *field =
      protobuf_c_message_descriptor_get_field(&holdfast__request__descriptor, arm);
  return field ? field->name : "?";
}

const struct operation *operations_find(const Holdfast__Request *message) {
  size_t arm = (size_t)message->operation_case;
  bool known = arm < sizeof operations / sizeof *operations && operations[arm].handle;
  return known ? &operations[arm] : NULL;
}
