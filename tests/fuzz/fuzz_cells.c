/* Cells in shared memory: requests of four clients, what local threads do by the rules of
 * cell_layout.h, and what a hostile one writes over headers and elements. Nothing of it may give a
 * lock to two, keep a request without its answer, or make the server write where it must not: see
 * cells_harness.h and cells_slots.h.
 *
 * input   one byte: bit 0, the engine goes with all that is in it
 *         commands of COMMAND_BYTES: what, modulo their number
 *                                    bits 0-1 the client, 2-4 the object, 5 by its name, 6 the
 *                                    thread, 7 without a number
 *                                    bits 0-2 how long it may wait, 3-7 a choice
 *                                    three bytes of argument, the third also as a sign
 */
#include "tests/fuzz/cells_harness.h"
#include "tests/support/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COMMAND_BYTES 6
#define COMMANDS_MAX 400
#define WAITERS UINT32_C(0x80000000) /* FUTEX_WAITERS */
#define FOREVER_IDX 0

struct cells_step {
  int client;
  struct known_object *object;
  bool by_name, is_numbered;
  uint64_t thread;
  unsigned wait, choice, bytes[3];
};

/* ---- requests */

static void aim(Holdfast__Request *request, const struct cells_step *command,
                const struct known_object *object) {
  request->thread = command->thread;
  if ((command->by_name && object->name) || object->id == 0) {
    const char *name = object->name ? object->name : "none";
    request->target_case = HOLDFAST__REQUEST__TARGET_NAME;
    request->name = (ProtobufCBinaryData)DATA(name);
  } else {
    request->target_case = HOLDFAST__REQUEST__TARGET_OBJECT;
    request->object = object->id;
  }
}

static void ask_for(struct harness *harness, const struct cells_step *command,
                    Holdfast__Request *request) {
  static const int64_t timeouts_ms[8] = {0, 0, 1, 5, 20, 100, 1000, -1};
  aim(request, command, command->object);
  if (command->wait != FOREVER_IDX) {
    request->wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
    request->timeout_ms = timeouts_ms[command->wait];
  }
  harness_send(harness, command->client, request, command->is_numbered);
}

static bool is_array(const struct cells_step *command) {
  return command->object->kind == HOLDFAST__KIND__ARRAY ||
         command->object->kind == HOLDFAST__KIND__RAW_ARRAY;
}

/* Small numbers, so that some are equal; some are too large for any type. */
static int64_t number(unsigned byte) {
  return byte < 0xf0 ? (int64_t)(byte % 16) - 2 : INT64_MAX >> (byte % 16) * 4;
}

static int64_t index_of(const struct cells_step *command) {
  return (int64_t)(command->choice % 16) - 6;
}

static void open_object(struct harness *harness, const struct cells_step *command) {
  static const char typecodes[] = "?bBhHiIlLqQfdc";
  const struct known_object *object = command->object;
  bool is_odd = command->bytes[0] & 0x80; /* of another shape, or with content */
  char typecode = is_odd ? typecodes[command->bytes[1] % 14] : object->typecode;
  Holdfast__Value *initial[] = {INT(number(command->bytes[2]))};
  ask_for(harness, command,
          REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = object->kind,
                  .name = DATA(object->name ? object->name : ""),
                  .mode = (Holdfast__ObjectOpen__Mode)(command->choice / 2 % 4 % 3),
                  .typecode = {1, (uint8_t *)&typecode},
                  .length = is_odd ? command->bytes[2] % 70u : object->length,
                  .n_initial = is_odd && command->bytes[0] & 1, .initial = initial,
                  .map = !(command->choice & 1)));
}

static void get(struct harness *harness, const struct cells_step *command) {
  if (is_array(command)) {
    ask_for(harness, command, REQUEST(ARRAY_GET, ArrayGet, array_get, .index = index_of(command)));
  } else {
    ask_for(harness, command, REQUEST(VALUE_GET, ValueGet, value_get, ));
  }
}

static void set(struct harness *harness, const struct cells_step *command) {
  Holdfast__Value *value = INT(number(command->bytes[0]));
  if (is_array(command)) {
    ask_for(harness, command,
            REQUEST(ARRAY_SET, ArraySet, array_set, .index = index_of(command), .value = value));
  } else {
    ask_for(harness, command, REQUEST(VALUE_SET, ValueSet, value_set, .value = value));
  }
}

static void add(struct harness *harness, const struct cells_step *command) {
  Holdfast__Value *amount = INT(number(command->bytes[0]));
  if (is_array(command)) {
    ask_for(harness, command,
            REQUEST(ARRAY_ADD, ArrayAdd, array_add, .index = index_of(command), .amount = amount));
  } else {
    ask_for(harness, command, REQUEST(VALUE_ADD, ValueAdd, value_add, .amount = amount));
  }
}

static void compare_and_set(struct harness *harness, const struct cells_step *command) {
  ask_for(harness, command,
          REQUEST(VALUE_COMPARE_AND_SET, ValueCompareAndSet, value_compare_and_set,
                  .expected = INT(number(command->bytes[0])),
                  .desired = INT(number(command->bytes[1]))));
}

static void wait_for_change(struct harness *harness, const struct cells_step *command) {
  ask_for(harness, command,
          REQUEST(VALUE_WAIT, ValueWait, value_wait, .known = INT(number(command->bytes[0]))));
}

#define SLICE(command)                                                                  \
  MESSAGE(Slice, slice, .first_case = (command)->bytes[0] & 1,                          \
          .start = (int64_t)((command)->bytes[0] / 2 % 16) - 4,                         \
          .last_case = (command)->bytes[1] & 1 ? HOLDFAST__SLICE__LAST_STOP : 0,        \
          .stop = (int64_t)((command)->bytes[1] / 2 % 16) - 4,                          \
          .stride_case = (command)->bytes[0] & 0x80 ? HOLDFAST__SLICE__STRIDE_STEP : 0, \
          .step = (int64_t)((command)->bytes[0] / 16 % 8) - 3)

static void get_slice(struct harness *harness, const struct cells_step *command) {
  ask_for(harness, command,
          REQUEST(ARRAY_GET_SLICE, ArrayGetSlice, array_get_slice, .slice = SLICE(command)));
}

static void set_slice(struct harness *harness, const struct cells_step *command) {
  Holdfast__Value *one = INT(number(command->bytes[2]));
  Holdfast__Value *items[] = {one, INT(7), one, INT(1), one, one, one, one};
  ask_for(harness, command,
          REQUEST(ARRAY_SET_SLICE, ArraySetSlice, array_set_slice, .slice = SLICE(command),
                  .n_items = command->choice % 9, .items = items));
}

static void look(struct harness *harness, const struct cells_step *command) {
  switch (command->choice % 4) {
    case 0:
      ask_for(harness, command, REQUEST(ARRAY_LEN, ArrayLen, array_len, ));
      break;
    case 1:
      ask_for(harness, command, REQUEST(LOCK_LIST, LockList, lock_list, ));
      break;
    default:
      ask_for(harness, command,
              REQUEST(OBJECT_INFO, ObjectInfo, object_info, .map = command->choice & 4));
  }
}

static void acquire(struct harness *harness, const struct cells_step *command) {
  ask_for(harness, command,
          REQUEST(LOCK_ACQUIRE, LockAcquire, lock_acquire, .robust = command->choice & 1,
                  .lease_ms = command->choice & 2 ? 30 : 0, .refuse_deadlock = command->choice & 4,
                  .levels = command->choice & 8 ? 1 + command->choice / 16 : 0));
}

static void release(struct harness *harness, const struct cells_step *command) {
  uint64_t token = 1 + command->bytes[0] % 8;
  ask_for(harness, command,
          REQUEST(LOCK_RELEASE, LockRelease, lock_release,
                  .fence_case = command->choice & 1 ? HOLDFAST__LOCK_RELEASE__FENCE_TOKEN : 0,
                  .token = token));
}

static void notify(struct harness *harness, const struct cells_step *command) {
  ask_for(harness, command, REQUEST(CELL_NOTIFY, CellNotify, cell_notify, ));
}

static void drop(struct harness *harness, const struct cells_step *command) {
  uint64_t count = command->choice & 1 ? 1 : 1000;
  ask_for(harness, command,
          REQUEST(OBJECT_RELEASE, ObjectRelease, object_release, .n_releases = 1,
                  .releases = (Holdfast__ObjectRelease__Release *[]){
                      MESSAGE(ObjectRelease__Release, object_release__release,
                              .object = command->object->id, .count = count)}));
}

static void delete (struct harness *harness, const struct cells_step *command) {
  ask_for(harness, command, REQUEST(OBJECT_DELETE, ObjectDelete, object_delete, ));
}

/* ---- several at once */

static Holdfast__Condition *make_condition(const struct cells_step *command, unsigned what,
                                           const struct known_object *object,
                                           Holdfast__Condition *made, Holdfast__Value *bound) {
  made->target_case = HOLDFAST__CONDITION__TARGET_OBJECT;
  made->object = object->id;
  switch (what % 3) {
    case 0:
      made->check_case = HOLDFAST__CONDITION__CHECK_VALUE_AT_LEAST;
      made->value_at_least = bound;
      break;
    case 1:
      made->check_case = HOLDFAST__CONDITION__CHECK_FREE;
      break;
    default:
      made->check_case = HOLDFAST__CONDITION__CHECK_OWNED_WITH_TOKEN;
      made->owned_with_token = command->bytes[2] % 8;
  }
  return made;
}

/* One or two conditions, up to three operations: on the command's object and on the next. */
static void transact(struct harness *harness, const struct cells_step *command) {
  const struct known_object *object = command->object;
  const struct known_object *next = &harness->objects[command->bytes[1] % OBJECTS_COUNT];
  Holdfast__Value *value = INT(number(command->bytes[0]));
  Holdfast__Request *made[] = {
      REQUEST(LOCK_ACQUIRE, LockAcquire, lock_acquire, .robust = command->bytes[2] & 1),
      REQUEST(VALUE_ADD, ValueAdd, value_add, .amount = value),
      REQUEST(LOCK_RELEASE, LockRelease, lock_release, ),
      REQUEST(VALUE_SET, ValueSet, value_set, .value = value),
      REQUEST(ARRAY_SET, ArraySet, array_set, .index = 0, .value = value),
      REQUEST(VALUE_COMPARE_AND_SET, ValueCompareAndSet, value_compare_and_set, .expected = INT(0),
              .desired = value),
      REQUEST(ARRAY_ADD, ArrayAdd, array_add, .index = -1, .amount = value),
      REQUEST(VALUE_GET, ValueGet, value_get, ),
  };
  unsigned first = command->bytes[2] % 8, count = command->bytes[2] / 8 % 4;
  count = count < 8 - first ? count : 8 - first;
  for (unsigned i = 0; i < count; i++) {
    aim(made[first + i], command, command->bytes[2] >> (5 + i) & 1 ? next : object);
  }
  Holdfast__Condition one = HOLDFAST__CONDITION__INIT, other = HOLDFAST__CONDITION__INIT;
  Holdfast__Condition *conditions[] = {
      make_condition(command, command->choice / 2, object, &one, value),
      make_condition(command, command->choice / 8, next, &other, value)};
  ask_for(harness, command,
          REQUEST(TRANSACTION, Transaction, transaction, .n_conditions = 1 + command->choice % 2,
                  .conditions = conditions, .n_operations = count, .operations = made + first));
}

static void wait_any(struct harness *harness, const struct cells_step *command) {
  const struct known_object *next = &harness->objects[command->bytes[1] % OBJECTS_COUNT];
  Holdfast__Request *parts[] = {
      REQUEST(LOCK_ACQUIRE, LockAcquire, lock_acquire, ),
      REQUEST(VALUE_WAIT, ValueWait, value_wait, .known = INT(number(command->bytes[0]))),
      REQUEST(LOCK_ACQUIRE, LockAcquire, lock_acquire, ),
  };
  aim(parts[0], command, command->object);
  aim(parts[1], command, next);
  aim(parts[2], command, next);
  ask_for(harness, command,
          REQUEST(WAIT_ANY, WaitAny, wait_any, .n_operations = 1 + command->choice % 3,
                  .operations = parts));
}

/* ---- about requests */

static uint64_t recent_sequence(const struct harness *harness, const struct cells_step *command) {
  int session = harness->clients[command->client].session;
  uint64_t last = session >= 0 ? harness->sessions[session].sequence : 0;
  return last > command->bytes[0] % 8 ? last - command->bytes[0] % 8 : 0;
}

static void cancel(struct harness *harness, const struct cells_step *command) {
  ask_for(harness, command,
          REQUEST(CANCEL, Cancel, cancel, .sequence = recent_sequence(harness, command),
                  .revoke = command->choice & 1));
}

static void acknowledge(struct harness *harness, const struct cells_step *command) {
  Holdfast__Request *request = REQUEST(ACKNOWLEDGE, Acknowledge, acknowledge, );
  request->acked = recent_sequence(harness, command);
  ask_for(harness, command, request);
}

static void repeat(struct harness *harness, const struct cells_step *command) {
  harness_repeat(harness, command->client, harness->asks_count - 1 - command->bytes[0] % 32);
}

/* ---- local threads */

static struct slot *slot_of(struct harness *harness, const struct cells_step *command) {
  return slots_of(&harness->slots, command->object->id);
}

static void write_word(struct slot *slot, size_t offset, uint32_t word) {
  slot_write(slot, offset, &word, sizeof word);
}

#define WRITE(slot, member, word) write_word(slot, offsetof(struct cell_header, member), word)

/* As a client's library does, but without the futex wait of a thread that finds it taken. */
static void lock_locally(struct harness *harness, const struct cells_step *command) {
  struct slot *slot = slot_of(harness, command);
  if (!slot || command->client > 1) {
    return;
  }
  struct cell_header *header = slot_header(slot);
  uint32_t word = atomic_load(&header->word), flags = atomic_load(&header->flags);
  if (word & CELL_WORD_THREAD) {
    WRITE(slot, word, word | WAITERS);
    return;
  }
  if (word & CELL_WORD_DIED) {
    WRITE(slot, flags,
          flags & CELL_NOTIFIED ? flags & ~(uint32_t)CELL_NOTIFIED : flags | CELL_DIED);
  }
  if (atomic_load(&header->remote)) {
    WRITE(slot, word, 0);
    notify(harness, command);
  } else {
    WRITE(slot, word, THREAD_OF(command->client) | (word & WAITERS));
    WRITE(slot, flags, atomic_load(&header->flags) & ~(uint32_t)CELL_DIED);
    slot->local = command->client;
  }
}

/* Dies with it, or lets go of it. */
static void unlock_locally(struct harness *harness, const struct cells_step *command) {
  struct slot *slot = slot_of(harness, command);
  if (!slot || command->client > 1) {
    return;
  }
  struct cell_header *header = slot_header(slot);
  uint32_t word = atomic_load(&header->word);
  bool dies = command->choice & 1;
  if ((word & CELL_WORD_THREAD) != THREAD_OF(command->client)) {
    return;
  }
  WRITE(slot, word, dies ? (word & WAITERS) | CELL_WORD_DIED : 0);
  slot->local = CELLS_NOBODY;
  if (!dies && atomic_load(&header->remote)) {
    notify(harness, command);
  }
}

static void store_locally(struct harness *harness, const struct cells_step *command) {
  struct slot *slot = slot_of(harness, command);
  if (!slot || slot->used == CELL_HEADER_BYTES) {
    return;
  }
  uint8_t byte = (uint8_t)command->bytes[0];
  size_t elements = slot->used - CELL_HEADER_BYTES;
  slot_write(slot, CELL_HEADER_BYTES + command->bytes[1] % elements, &byte, 1);
  if (atomic_load(&slot_header(slot)->flags) & CELL_SERVER_WAITS) {
    notify(harness, command);
  }
}

/* ---- hostile ones */

static void scribble(struct harness *harness, const struct cells_step *command) {
  static const size_t widths[4] = {1, 4, 8, 64};
  uint8_t bytes[64];
  struct slot *slot = slots_pick(&harness->slots, command->choice);
  if (!slot) {
    return;
  }
  size_t len = widths[command->wait % 4], offset = command->bytes[0] % slot->bytes;
  len = len < slot->bytes - offset ? len : slot->bytes - offset;
  for (size_t i = 0; i < len; i++) {
    bytes[i] = (uint8_t)command->bytes[1 + i % 2];
  }
  slot->is_scribbled |= offset < CELL_HEADER_BYTES;
  slot_write(slot, offset, bytes, len);
}

/* What means something there. */
static void scribble_word(struct harness *harness, const struct cells_step *command) {
  static const size_t offsets[8] = {0, 0, 48, 52, 56, 60, 4, 64};
  const uint32_t words[] = {0,
                            1,
                            THREAD_OF(0),
                            THREAD_OF(1) | WAITERS,
                            4711,
                            CELL_WORD_DIED,
                            CELL_WORD_DIED | WAITERS | 4711,
                            CELL_WORD_THREAD,
                            UINT32_MAX,
                            CELL_LOCAL_WAITS | CELL_SERVER_WAITS,
                            CELL_NOTIFIED | CELL_LOCAL_WAITS,
                            CELL_DIED};
  struct slot *slot = slots_pick(&harness->slots, command->choice);
  size_t offset = offsets[command->wait];
  if (slot && offset + sizeof words[0] <= slot->bytes) {
    slot->is_scribbled |= offset < CELL_HEADER_BYTES;
    write_word(slot, offset, words[command->bytes[0] % (sizeof words / sizeof *words)]);
  }
}

/* ---- time, processes, connections */

static void pass(struct harness *harness, const struct cells_step *command) {
  static const uint64_t spans_ms[8] = {1, 2, 5, 10, 20, 50, 100, 1000};
  harness_pass_ms(harness, spans_ms[command->wait], command->choice & 1);
}

static void say_who_lives(struct harness *harness, const struct cells_step *command) {
  harness->threads = command->choice & 3;
}

static void disconnect(struct harness *harness, const struct cells_step *command) {
  harness_disconnect(harness, command->client);
}

static void come_back(struct harness *harness, const struct cells_step *command) {
  if (command->client == SESSIONLESS || command->choice % 8 == 7) {
    harness_connect(harness, command->client);
  } else {
    harness_resume(harness, command->client);
  }
}

static void close_session(struct harness *harness, const struct cells_step *command) {
  harness_close_session(harness, command->client);
}

static void open_session(struct harness *harness, const struct cells_step *command) {
  harness_open_session(harness, command->client, command->choice % 8 == 7);
}

static void end_process(struct harness *harness, const struct cells_step *command) {
  harness_end_process(harness, command->client);
}

static void (*const commands[])(struct harness *harness, const struct cells_step *command) = {
    open_object,     get,           set,         add,           compare_and_set,
    wait_for_change, get_slice,     set_slice,   look,          acquire,
    release,         notify,        drop,        delete,        transact,
    wait_any,        cancel,        acknowledge, repeat,        lock_locally,
    unlock_locally,  store_locally, scribble,    scribble_word, pass,
    say_who_lives,   disconnect,    come_back,   close_session, open_session,
    end_process,
};

static struct cells_step read_command(struct harness *harness, const uint8_t *data) {
  return (struct cells_step){
      .client = data[1] & 3,
      .object = &harness->objects[data[1] >> 2 & 7],
      .by_name = data[1] & 0x20,
      .thread = data[1] >> 6 & 1,
      .is_numbered = !(data[1] & 0x80),
      .wait = data[2] & 7,
      .choice = data[2] >> 3,
      .bytes = {data[3], data[4], data[5]},
  };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static struct harness harness;
  harness_begin(&harness);
  for (size_t i = 0, at = 1; i < COMMANDS_MAX && at + COMMAND_BYTES <= size; i++) {
    const struct cells_step command = read_command(&harness, data + at);
    commands[data[at] % (sizeof commands / sizeof *commands)](&harness, &command);
    at += COMMAND_BYTES;
  }
  if (size > 0 && (data[0] & 1)) {
    harness_drop(&harness);
  } else {
    harness_end(&harness);
  }
  return 0;
}
