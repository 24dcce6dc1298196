#include "server/journal/cell_tape.h"

#include "proto/status.h"

#include <string.h>

/* A tape's memory that is kept for the next command. */
#define ANSWERS_BYTES_KEPT ((size_t)64 << 10)

/* Answers count against no connection's memory. */
static struct buffer_budget unbounded = {.bytes_max = SIZE_MAX};

/* ---- the tape */

static void put_raw(struct cell_tape *tape, const void *data, size_t len) {
  struct buffer *answers = &tape->answers;
  if (buffer_room(answers) < len && !buffer_reserve(answers, len + answers->len)) {
    tape->has_failed = true;
    return;
  }
  if (len > 0) {
    memcpy(buffer_end(answers), data, len);
    answers->len += len;
  }
}

static void put_number(struct cell_tape *tape, uint64_t number) {
  uint8_t bytes[VARINT_BYTES_MAX];
  put_raw(tape, bytes, wire_write_varint(bytes, number));
}

/* 0 and has_failed where there is none. */
static uint64_t take_number(struct cell_tape *tape) {
  uint64_t number;
  if (!wire_read_varint(&tape->rest, &number)) {
    tape->has_failed = true;
    return 0;
  }
  return number;
}

static void take_raw(struct cell_tape *tape, void *into, size_t len) {
  struct bytes bytes;
  if (wire_take(&tape->rest, len, &bytes)) {
    memcpy(into, bytes.data, len);
  } else {
    tape->has_failed = true;
    memset(into, 0, len);
  }
}

static uint64_t record(struct cell_tape *tape, uint64_t answer) {
  put_number(tape, answer);
  return answer;
}

/* By name: their numbers change. */
static void put_reason(struct cell_tape *tape, hf_reason reason) {
  const char *name = hf_reason_name(reason);
  put_number(tape, strlen(name));
  put_raw(tape, name, strlen(name));
}

static hf_reason take_reason(struct cell_tape *tape) {
  struct bytes name;
  uint64_t len = take_number(tape);
  hf_reason reason = HF_REASON_NONE;
  if (!wire_take(&tape->rest, len, &name) ||
      (len > 0 && !(reason = hf_reason_find((const char *)name.data, name.len)))) {
    tape->has_failed = true;
  }
  return reason;
}

/* ---- memory. A cell of a replay has no header: no host knows it. */

static bool create(void *ctx, uint64_t object, size_t element_bytes,
                   struct cell_location *location) {
  struct cell_tape *tape = ctx;
  if (tape->is_playing) {
    bool is_created = take_number(tape) != 0;
    *location = (struct cell_location){0};
    if (is_created) {
      location->segment = take_number(tape);
      location->offset = take_number(tape);
      location->bytes = (size_t)take_number(tape);
    }
    return is_created && !tape->has_failed;
  }
  const struct cell_host *real = tape->real;
  bool is_created = real && real->create(real->ctx, object, element_bytes, location);
  put_number(tape, is_created);
  if (is_created) {
    put_number(tape, location->segment);
    put_number(tape, location->offset);
    put_number(tape, location->bytes);
  }
  return is_created;
}

static void release(void *ctx, const struct cell_location *location) {
  const struct cell_tape *tape = ctx;
  if (location->header) {
    tape->real->release(tape->real->ctx, location);
  }
}

static void retire(void *ctx, const struct cell_location *location) {
  const struct cell_tape *tape = ctx;
  if (location->header) {
    tape->real->retire(tape->real->ctx, location);
  }
}

/* For people; no state depends on it. */
static size_t count(void *ctx) {
  const struct cell_tape *tape = ctx;
  return tape->real ? tape->real->count(tape->real->ctx) : 0;
}

/* ---- elements */

static uint64_t load(void *ctx, const struct cell_location *location, const struct cell_type *type,
                     size_t idx) {
  struct cell_tape *tape = ctx;
  return tape->is_playing ? take_number(tape)
                          : record(tape, tape->real->load(tape->real->ctx, location, type, idx));
}

static void store(void *ctx, const struct cell_location *location, const struct cell_type *type,
                  size_t idx, uint64_t bits) {
  const struct cell_tape *tape = ctx;
  if (location->header) {
    tape->real->store(tape->real->ctx, location, type, idx, bits);
  }
}

static void read_elements(void *ctx, const struct cell_location *location,
                          const struct cell_type *type, size_t idx, size_t count, void *elements) {
  struct cell_tape *tape = ctx;
  size_t bytes = count * type->bytes;
  if (tape->is_playing) {
    take_raw(tape, elements, bytes);
    return;
  }
  tape->real->read(tape->real->ctx, location, type, idx, count, elements);
  put_raw(tape, elements, bytes);
}

static void write_elements(void *ctx, const struct cell_location *location,
                           const struct cell_type *type, size_t idx, size_t count,
                           const void *elements) {
  const struct cell_tape *tape = ctx;
  if (location->header) {
    tape->real->write(tape->real->ctx, location, type, idx, count, elements);
  }
}

static hf_reason add(void *ctx, const struct cell_location *location, const struct cell_type *type,
                     size_t idx, bool is_locked, struct value amount, uint64_t *sum) {
  struct cell_tape *tape = ctx;
  if (tape->is_playing) {
    hf_reason reason = take_reason(tape);
    *sum = reason ? 0 : take_number(tape);
    return reason;
  }
  hf_reason reason = tape->real->add(tape->real->ctx, location, type, idx, is_locked, amount, sum);
  put_reason(tape, reason);
  if (!reason) {
    put_number(tape, *sum);
  }
  return reason;
}

static hf_reason compare_and_set(void *ctx, const struct cell_location *location,
                                 const struct cell_type *type, size_t idx, bool is_locked,
                                 struct value expected, struct value desired, bool *swapped,
                                 uint64_t *found) {
  struct cell_tape *tape = ctx;
  if (tape->is_playing) {
    hf_reason reason = take_reason(tape);
    *swapped = !reason && take_number(tape) != 0;
    *found = reason ? 0 : take_number(tape);
    return reason;
  }
  hf_reason reason = tape->real->compare_and_set(tape->real->ctx, location, type, idx, is_locked,
                                                 expected, desired, swapped, found);
  put_reason(tape, reason);
  if (!reason) {
    put_number(tape, *swapped);
    put_number(tape, *found);
  }
  return reason;
}

/* ---- the lock */

static void request_lock(void *ctx, const struct cell_location *location) {
  const struct cell_tape *tape = ctx;
  if (location->header) {
    tape->real->request_lock(tape->real->ctx, location);
  }
}

static bool acquire_lock(void *ctx, const struct cell_location *location) {
  struct cell_tape *tape = ctx;
  return tape->is_playing ? take_number(tape)
                          : record(tape, tape->real->acquire_lock(tape->real->ctx, location));
}

static void return_lock(void *ctx, const struct cell_location *location, bool owner_died) {
  const struct cell_tape *tape = ctx;
  if (location->header) {
    tape->real->return_lock(tape->real->ctx, location, owner_died);
  }
}

static bool is_locked(void *ctx, const struct cell_location *location) {
  struct cell_tape *tape = ctx;
  return tape->is_playing ? take_number(tape)
                          : record(tape, tape->real->is_locked(tape->real->ctx, location));
}

static bool is_locked_by(void *ctx, const struct cell_location *location, uint64_t process) {
  struct cell_tape *tape = ctx;
  return tape->is_playing
             ? take_number(tape)
             : record(tape, tape->real->is_locked_by(tape->real->ctx, location, process));
}

/* The engine's, counted: it remembers which one was answered last. */
struct counted_owners {
  struct cell_owners owners;
  struct cell_owners *counted;
  uint64_t asked;
};

static bool next_counted(struct cell_owners *owners, uint64_t *process) {
  struct counted_owners *counted = (struct counted_owners *)owners;
  counted->asked++;
  return counted->counted->next(counted->counted, process);
}

static bool validate_owner(void *ctx, const struct cell_location *location,
                           struct cell_owners *owners) {
  struct cell_tape *tape = ctx;
  if (tape->is_playing) {
    uint64_t process;
    bool has_next = true;
    for (uint64_t asked = take_number(tape); asked > 0 && has_next; asked--) {
      has_next = owners->next(owners, &process);
    }
    return take_number(tape) != 0;
  }
  struct counted_owners counted = {.owners = {next_counted}, .counted = owners};
  bool is_to_the_end = tape->real->validate_owner(tape->real->ctx, location, &counted.owners);
  put_number(tape, counted.asked);
  put_number(tape, is_to_the_end);
  return is_to_the_end;
}

static void add_orphan(void *ctx, uint64_t process) {
  const struct cell_tape *tape = ctx;
  if (tape->real) {
    tape->real->add_orphan(tape->real->ctx, process);
  }
}

static bool take_death(void *ctx, const struct cell_location *location) {
  struct cell_tape *tape = ctx;
  return tape->is_playing ? take_number(tape)
                          : record(tape, tape->real->take_death(tape->real->ctx, location));
}

/* ---- changes */

static void watch(void *ctx, const struct cell_location *location) {
  const struct cell_tape *tape = ctx;
  if (location->header) {
    tape->real->watch(tape->real->ctx, location);
  }
}

static void unwatch(void *ctx, const struct cell_location *location) {
  const struct cell_tape *tape = ctx;
  if (location->header) {
    tape->real->unwatch(tape->real->ctx, location);
  }
}

static void changed(void *ctx, const struct cell_location *location) {
  const struct cell_tape *tape = ctx;
  if (location->header) {
    tape->real->changed(tape->real->ctx, location);
  }
}

static void end(void *ctx, const struct cell_location *location) {
  const struct cell_tape *tape = ctx;
  if (location->header) {
    tape->real->end(tape->real->ctx, location);
  }
}

/* ---- the table */

static const struct cell_host functions = {
    .create = create,
    .release = release,
    .retire = retire,
    .count = count,
    .load = load,
    .store = store,
    .read = read_elements,
    .write = write_elements,
    .add = add,
    .compare_and_set = compare_and_set,
    .request_lock = request_lock,
    .acquire_lock = acquire_lock,
    .return_lock = return_lock,
    .is_locked = is_locked,
    .is_locked_by = is_locked_by,
    .validate_owner = validate_owner,
    .add_orphan = add_orphan,
    .take_death = take_death,
    .watch = watch,
    .unwatch = unwatch,
    .changed = changed,
    .end = end,
};

void cell_tape_init(struct cell_tape *tape) {
  *tape = (struct cell_tape){.host = functions, .is_playing = true};
  tape->host.ctx = tape;
  buffer_init(&tape->answers, &unbounded);
}

void cell_tape_deinit(struct cell_tape *tape) {
  buffer_deinit(&tape->answers);
}

void cell_tape_play(struct cell_tape *tape, struct bytes answers) {
  tape->has_failed = false;
  tape->rest = (struct wire_reader){answers.data, answers.data + answers.len};
}

bool cell_tape_is_played(const struct cell_tape *tape) {
  return !tape->has_failed && tape->rest.next == tape->rest.end;
}

void cell_tape_record(struct cell_tape *tape, const struct cell_host *real) {
  tape->is_playing = tape->has_failed = false;
  tape->real = real;
}

bool cell_tape_answers(const struct cell_tape *tape, struct bytes *answers) {
  *answers = bytes_of(buffer_first(&tape->answers), tape->answers.len);
  return !tape->has_failed;
}

void cell_tape_clear(struct cell_tape *tape) {
  buffer_consume(&tape->answers, tape->answers.len);
  buffer_trim(&tape->answers, ANSWERS_BYTES_KEPT);
}
