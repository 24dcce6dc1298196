/* Scripts: what hardly ever comes about by chance. */
#include "tests/support/random_story_parts.h"

#include "proto/base/clock.h"
#include "tests/support/messages.h"

enum deed {
  ACQUIRE,
  ACQUIRE_ON_LEASE,
  AWAIT_LOCK,
  WAIT_ON_CONDITION,
  NOTIFY,
  RESET_BARRIER,
  ARRIVE,
  ARRIVE_AND_ACT,
  PUT,
  RESERVE,
  RETURN,
  BURY,
  SET_EVENT,
  CLEAR_EVENT,
  WAIT_FOR_EVENT,
  WAIT_FOR_ANY,
  SET_ELEMENT,
  SET_RAW_ELEMENT,
  DELETE_PIPE,
  OPEN_PIPE,
  ATTACH_0,
  ATTACH_1,
  PIPE_SENDS,
  LEAVE,
  CONNECT_AGAIN, /* beside the connection that the session is bound to */
  RESUME,
  TIME_PASSES,
  OVER
};

struct random_step {
  unsigned actor;
  enum deed deed;
};

static const struct random_step notified[] = {
    {0, ACQUIRE}, {0, WAIT_ON_CONDITION}, {1, ACQUIRE}, {1, NOTIFY}, {0, OVER}};
static const struct random_step acting[] = {
    {0, RESET_BARRIER}, {0, ARRIVE}, {1, ARRIVE_AND_ACT}, {0, OVER}};
static const struct random_step buried[] = {{0, PUT}, {0, RESERVE}, {0, BURY}, {0, OVER}};
static const struct random_step tried[] = {{0, PUT}, {0, RESERVE}, {0, RETURN}, {0, OVER}};
static const struct random_step expired[] = {{0, ACQUIRE_ON_LEASE}, {0, TIME_PASSES}, {0, OVER}};
static const struct random_step left[] = {
    {1, CLEAR_EVENT}, {0, WAIT_FOR_ANY}, {0, LEAVE}, {0, OVER}};
static const struct random_step overdue[] = {
    {1, ACQUIRE}, {0, AWAIT_LOCK}, {0, LEAVE}, {0, TIME_PASSES}, {0, OVER}};
static const struct random_step reserving[] = {{0, PUT}, {0, RESERVE}, {0, OVER}};
static const struct random_step released[] = {{1, CLEAR_EVENT}, {0, WAIT_FOR_EVENT}, {0, LEAVE},
                                              {1, SET_EVENT},   {1, CLEAR_EVENT},    {0, OVER}};
static const struct random_step superseded[] = {{0, CONNECT_AGAIN}, {0, RESUME}, {0, OVER}};
static const struct random_step elements[] = {{0, SET_ELEMENT}, {1, SET_RAW_ELEMENT}, {0, OVER}};
static const struct random_step piped[] = {{0, DELETE_PIPE}, {0, OPEN_PIPE},  {0, ATTACH_0},
                                           {1, ATTACH_1},    {1, PIPE_SENDS}, {0, OVER}};
static const struct random_step *const scripts[] = {notified, acting,    buried,   tried,
                                                    expired,  left,      overdue,  elements,
                                                    piped,    reserving, released, superseded};

/* One call of the actor's thread 1, which waits for ever, or not at all. */
static void act(struct random_story *story, Holdfast__Request *request, bool waits) {
  struct random_party *party = story->actors[story->script->actor];
  request->sequence = ++party->sequence;
  request->thread = 1;
  if (!waits) {
    request->wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
    request->timeout_ms = 0;
  }
  story->event = RANDOM_REQUEST;
  story->connection = party->connection;
  random_party_put_body(story, request);
}

static uint64_t last_reservation(const struct random_story *story) {
  return story->reservations[(story->reservations_count - 1) % RANDOM_RESERVATIONS];
}

static void act_on_sync(struct random_story *story, enum deed deed) {
  switch (deed) {
    case ACQUIRE:
      act(story, IN("condition", LOCK_ACQUIRE, LockAcquire, lock_acquire, .lease_ms = 0), false);
      break;
    case ACQUIRE_ON_LEASE:
      act(story, IN("lock", LOCK_ACQUIRE, LockAcquire, lock_acquire, .lease_ms = 1), false);
      break;
    case AWAIT_LOCK: {
      Holdfast__Request *request =
          IN("condition", LOCK_ACQUIRE, LockAcquire, lock_acquire, .lease_ms = 0);
      request->wait_case = HOLDFAST__REQUEST__WAIT_TIMEOUT_MS;
      request->timeout_ms = 3;
      act(story, request, true);
      break;
    }
    case WAIT_ON_CONDITION:
      act(story, IN("condition", CONDITION_WAIT, ConditionWait, condition_wait), true);
      break;
    case NOTIFY:
      act(story, IN("condition", CONDITION_NOTIFY, ConditionNotify, condition_notify), false);
      break;
    case RESET_BARRIER:
      act(story, IN("barrier", BARRIER_RESET, BarrierReset, barrier_reset), false);
      break;
    default:
      act(story,
          IN("barrier", BARRIER_WAIT, BarrierWait, barrier_wait,
             .has_action = deed == ARRIVE_AND_ACT),
          true);
      break;
  }
}

static void act_on_queue(struct random_story *story, enum deed deed) {
  uint64_t reserved = story->reservations_count ? last_reservation(story) : 0;
  switch (deed) {
    case PUT:
      act(story, IN("queue", QUEUE_PUT, QueuePut, queue_put, .value = INT(7)), false);
      break;
    case RESERVE:
      act(story, IN("queue", QUEUE_RESERVE, QueueReserve, queue_reserve, .lease_ms = 0), false);
      break;
    case RETURN:
      act(story, IN("queue", QUEUE_RETURN, QueueReturn, queue_return, .reservation = reserved),
          false);
      break;
    case CLEAR_EVENT:
      act(story, IN("event", EVENT_CLEAR, EventClear, event_clear), false);
      break;
    case SET_EVENT:
      act(story, IN("event", EVENT_SET, EventSet, event_set), false);
      break;
    case WAIT_FOR_EVENT:
      act(story, IN("event", EVENT_WAIT, EventWait, event_wait), true);
      break;
    case BURY:
      act(story, IN("queue", QUEUE_BURY, QueueBury, queue_bury, .reservation = reserved), false);
      break;
    default:
      act(story,
          REQUEST(WAIT_ANY, WaitAny, wait_any, .n_operations = 2,
                  .operations = LIST_OF(Request, IN("event", EVENT_WAIT, EventWait, event_wait),
                                        IN("event", EVENT_WAIT, EventWait, event_wait))),
          true);
      break;
  }
}

static void act_on_others(struct random_story *story, enum deed deed) {
  switch (deed) {
    case SET_ELEMENT:
      act(story, IN("array", ARRAY_SET, ArraySet, array_set, .index = 0, .value = INT(3)), false);
      break;
    case SET_RAW_ELEMENT:
      act(story, IN("raw-array", ARRAY_SET, ArraySet, array_set, .index = 0, .value = INT(4)),
          false);
      break;
    case DELETE_PIPE:
      act(story, IN("pipe", OBJECT_DELETE, ObjectDelete, object_delete), false);
      break;
    case OPEN_PIPE:
      act(story,
          REQUEST(OBJECT_OPEN, ObjectOpen, object_open, .kind = HOLDFAST__KIND__PIPE,
                  .name = DATA("pipe")),
          false);
      break;
    case PIPE_SENDS:
      act(story, IN("pipe", PIPE_SEND, PipeSend, pipe_send, .end = 1, .value = INT(1)), false);
      break;
    default:
      act(story, IN("pipe", PIPE_ATTACH, PipeAttach, pipe_attach, .end = deed == ATTACH_1 ? 1 : 0),
          false);
      break;
  }
}

bool random_script_step(struct random_story *story) {
  struct random_party *party = story->actors[story->script->actor];
  enum deed deed = story->script->deed;
  if (deed == OVER || (!party->connection && deed != TIME_PASSES)) {
    story->script = NULL;
    return false;
  }
  if (deed == TIME_PASSES) {
    story->event = RANDOM_TIME;
    story->now_ns += 10 * CLOCK_NS_PER_MS;
  } else if (deed == LEAVE) {
    random_party_disconnect(story, party);
  } else if (deed == CONNECT_AGAIN) {
    story->stale_connection = party->connection;
    random_party_connect(story, party);
  } else if (deed == RESUME) {
    random_party_resume(story, party);
  } else if (deed <= ARRIVE_AND_ACT) {
    act_on_sync(story, deed);
  } else if (deed <= WAIT_FOR_ANY) {
    act_on_queue(story, deed);
  } else {
    act_on_others(story, deed);
  }
  story->script++;
  return true;
}

/* Two parties with sessions, one beside the other. */
void random_script_begin(struct random_story *story) {
  uint64_t first = below(story, RANDOM_PARTIES - 3);
  story->actors[0] = &story->parties[first];
  story->actors[1] = &story->parties[first + 1];
  bool are_there = story->actors[0]->connection && story->actors[0]->is_bound &&
                   story->actors[1]->connection && story->actors[1]->is_bound;
  if (are_there) {
    story->script = scripts[below(story, sizeof scripts / sizeof *scripts)];
    story->wants_script = false;
  }
}
