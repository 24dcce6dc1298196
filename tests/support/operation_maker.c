#include "tests/support/operation_maker.h"

#include <inttypes.h>
#include <string.h>

const char *const target_names[TARGETS] = {
    "d", "e", "l", "m", "q", "r", "v", "w", "a", "lock", "rlock", "semaphore", "bounded", "event"};

int64_t below(struct maker *maker, uint64_t limit) {
  return (int64_t)random_below(&maker->random, limit);
}

static Holdfast__Value *make_integer(struct item *item, int64_t number) {
  holdfast__value__init(&item->value);
  item->value.kind_case = HOLDFAST__VALUE__KIND_INTEGER;
  item->value.integer = number;
  return &item->value;
}

/* Every third is too long to live in a value itself. */
static Holdfast__Value *make_text(struct item *item, int64_t number) {
  holdfast__value__init(&item->value);
  item->value.kind_case = HOLDFAST__VALUE__KIND_TEXT;
  snprintf(item->text, sizeof item->text,
           number % 3 ? "%" PRId64 : "a text of some length %" PRId64, number);
  item->value.text = (ProtobufCBinaryData){strlen(item->text), (uint8_t *)item->text};
  return &item->value;
}

static Holdfast__Value *make_value(struct maker *maker, struct item *item) {
  int64_t dice = below(maker, 10);
  if (maker->refers && dice < 3) {
    holdfast__value__init(&item->value);
    holdfast__reference__init(&item->reference);
    item->reference.object = maker->objects[dice];
    item->value.kind_case = HOLDFAST__VALUE__KIND_REFERENCE;
    item->value.reference = &item->reference;
    return &item->value;
  }
  return dice < 6 ? make_text(item, below(maker, 1000)) : make_integer(item, below(maker, 5));
}

static Holdfast__Value *make_key(struct maker *maker, struct item *item) {
  int64_t number = below(maker, KEYS);
  return number % 2 ? make_text(item, number) : make_integer(item, number);
}

static int64_t make_index(struct maker *maker) {
  return below(maker, 100) == 0 ? 1000 : below(maker, 9) - 4;
}

#define BEGIN(CASE, lower)                  \
  (holdfast__##lower##__init(&made->lower), \
   made->request.operation_case = HOLDFAST__REQUEST__OPERATION_##CASE, &made->lower)
#define KEY make_key(maker, &made->items[0])
#define VALUE make_value(maker, &made->items[1])
#define EXPECTED make_value(maker, &made->items[2])
#define NUMBER(number) make_integer(&made->items[1], number)

static enum target make_on_dict(struct maker *maker, struct operation_message *made) {
  switch (below(maker, 14)) {
    case 0:
      BEGIN(DICT_GET, dict_get)->key = KEY;
      break;
    case 1:
      BEGIN(DICT_DELETE, dict_delete)->key = KEY;
      break;
    case 2:
      BEGIN(DICT_POP, dict_pop)->key = KEY;
      break;
    case 3:
    case 4:
      BEGIN(DICT_POP, dict_pop)->key = KEY;
      made->dict_pop.fallback = VALUE;
      break;
    case 5:
      BEGIN(DICT_SET_DEFAULT, dict_set_default)->key = KEY;
      made->dict_set_default.value = VALUE;
      break;
    case 6:
      BEGIN(DICT_ADD, dict_add)->key = KEY;
      made->dict_add.amount = NUMBER(1);
      break;
    case 7:
      BEGIN(DICT_COMPARE_AND_SET, dict_compare_and_set)->key = KEY;
      made->dict_compare_and_set.expected = below(maker, 2) ? EXPECTED : NULL;
      made->dict_compare_and_set.desired = below(maker, 2) ? VALUE : NULL;
      break;
    case 8:
      BEGIN(DICT_REPLACE, dict_replace)->key = KEY;
      made->dict_replace.value = VALUE;
      break;
    case 9:
      BEGIN(DICT_CONTAINS, dict_contains)->key = KEY;
      break;
    case 10:
      (void)BEGIN(DICT_LEN, dict_len);
      break;
    default:
      BEGIN(DICT_SET, dict_set)->key = KEY;
      made->dict_set.value = VALUE;
  }
  return below(maker, 2) ? D : E;
}

static enum target make_on_list(struct maker *maker, struct operation_message *made) {
  switch (below(maker, 12)) {
    case 0:
      BEGIN(LIST_GET, list_get)->index = make_index(maker);
      break;
    case 1:
      BEGIN(LIST_SET, list_set)->index = make_index(maker);
      made->list_set.value = VALUE;
      break;
    case 2:
      BEGIN(LIST_DELETE, list_delete)->index = make_index(maker);
      break;
    case 3:
      (void)BEGIN(LIST_POP, list_pop);
      break;
    case 4:
      BEGIN(LIST_POP, list_pop)->position_case = HOLDFAST__LIST_POP__POSITION_INDEX;
      made->list_pop.index = make_index(maker);
      break;
    case 5:
      BEGIN(LIST_ADD, list_add)->index = make_index(maker);
      made->list_add.amount = NUMBER(1);
      break;
    case 6:
      BEGIN(LIST_COMPARE_AND_SET, list_compare_and_set)->index = make_index(maker);
      made->list_compare_and_set.expected = EXPECTED;
      made->list_compare_and_set.desired = VALUE;
      break;
    case 7:
      (void)BEGIN(LIST_LEN, list_len);
      break;
    case 8:
    case 9:
      BEGIN(LIST_INSERT, list_insert)->index = make_index(maker);
      made->list_insert.value = VALUE;
      break;
    default:
      BEGIN(LIST_APPEND, list_append)->value = VALUE;
  }
  return below(maker, 2) ? L : M;
}

static enum target make_on_queue(struct maker *maker, struct operation_message *made) {
  switch (below(maker, 5)) {
    case 0:
      (void)BEGIN(QUEUE_SIZE, queue_size);
      break;
    case 1:
    case 2:
      (void)BEGIN(QUEUE_GET, queue_get);
      break;
    default:
      BEGIN(QUEUE_PUT, queue_put)->value = VALUE;
  }
  return below(maker, 4) ? R : Q;
}

static enum target make_on_value(struct maker *maker, struct operation_message *made) {
  switch (below(maker, 7)) {
    case 0:
      (void)BEGIN(VALUE_GET, value_get);
      return V;
    case 1:
      BEGIN(VALUE_SET, value_set)->value = NUMBER(below(maker, 100) ? below(maker, 5) : 1 << 20);
      return W;
    case 2:
      BEGIN(VALUE_ADD, value_add)->amount = NUMBER(1);
      return V;
    case 3:
      BEGIN(VALUE_COMPARE_AND_SET, value_compare_and_set)->expected =
          make_integer(&made->items[2], below(maker, 5));
      made->value_compare_and_set.desired = NUMBER(below(maker, 5));
      return V;
    case 4:
      BEGIN(ARRAY_GET, array_get)->index = below(maker, 4);
      return A;
    case 5:
      BEGIN(ARRAY_SET, array_set)->index = below(maker, 4);
      made->array_set.value = NUMBER(below(maker, 5));
      return A;
    default:
      BEGIN(ARRAY_ADD, array_add)->index = below(maker, 4) - 4;
      made->array_add.amount = NUMBER(1);
      return A;
  }
}

static enum target make_on_lock(struct maker *maker, struct operation_message *made) {
  static const enum target locks[] = {LOCK, RLOCK, RLOCK, V, A};
  if (below(maker, 2)) {
    BEGIN(LOCK_ACQUIRE, lock_acquire)->robust = below(maker, 2);
  } else {
    (void)BEGIN(LOCK_RELEASE, lock_release);
  }
  return locks[below(maker, 5)];
}

static enum target make_on_semaphore(struct maker *maker, struct operation_message *made) {
  if (below(maker, 2)) {
    (void)BEGIN(SEMAPHORE_ACQUIRE, semaphore_acquire);
  } else {
    BEGIN(SEMAPHORE_RELEASE, semaphore_release)->count = (uint32_t)below(maker, 3);
  }
  return below(maker, 2) ? SEMAPHORE : BOUNDED;
}

static enum target make_on_event(struct maker *maker, struct operation_message *made) {
  switch (below(maker, 3)) {
    case 0:
      (void)BEGIN(EVENT_SET, event_set);
      break;
    case 1:
      (void)BEGIN(EVENT_CLEAR, event_clear);
      break;
    default:
      (void)BEGIN(EVENT_IS_SET, event_is_set);
  }
  return EVENT;
}

void make_operation(struct maker *maker, struct operation_message *made) {
  static enum target (*const makers[])(struct maker * maker, struct operation_message * made) = {
      make_on_dict,  make_on_dict,  make_on_dict, make_on_list,      make_on_list,
      make_on_queue, make_on_value, make_on_lock, make_on_semaphore, make_on_event};
  holdfast__request__init(&made->request);
  enum target target = makers[below(maker, sizeof makers / sizeof *makers)](maker, made);
  const char *name = below(maker, 500) ? target_names[target] : target_names[below(maker, TARGETS)];
  made->request.ping = (void *)&made->base;
  made->request.target_case = HOLDFAST__REQUEST__TARGET_NAME;
  made->request.name = (ProtobufCBinaryData){strlen(name), (uint8_t *)name};
  made->request.thread = (uint64_t)below(maker, 2);
}
