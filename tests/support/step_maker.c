#include "tests/support/step_maker.h"

#include "proto/base/clock.h"
#include "server/engine/addresses.h"
#include "tests/support/random_users.h"

#include <string.h>

#define ELSEWHERE 77 /* an address */

static struct replay_step make_random_request(struct step_maker *maker, uint64_t connection) {
  Holdfast__Request *request;
  do {
    request =
        request_maker_make(&maker->requests, step_below(maker, request_maker_operations_count()));
  } while (request->operation_case == HOLDFAST__REQUEST__OPERATION_OPEN_SESSION ||
           request->operation_case == HOLDFAST__REQUEST__OPERATION_RESUME_SESSION ||
           request->operation_case == HOLDFAST__REQUEST__OPERATION_FORK_SESSION);
  step_put_in_session(maker, connection, request);
  return step_send(maker, connection, request);
}

/* ---- what happens beside requests */

static struct replay_step connect(struct step_maker *maker, uint64_t connection) {
  struct replay_step step = step_at(maker, REPLAY_CONNECT, connection);
  step.address = step_below(maker, 2) ? ADDRESS_LOCAL : ELSEWHERE;
  step.one_way = connection == STEP_ONE_WAY;
  step.user = step.one_way && step_below(maker, 2) ? "" : random_users_name(step_below(maker, 4));
  maker->open[connection] = true;
  maker->bound[connection] = NULL;
  return step;
}

static struct replay_step disconnect(struct step_maker *maker, uint64_t connection) {
  maker->open[connection] = false;
  maker->bound[connection] = NULL;
  return step_at(maker, REPLAY_DISCONNECT, connection);
}

static struct replay_step crowd(struct step_maker *maker) {
  struct replay_step step = step_at(maker, REPLAY_CROWDED, 0);
  step.is_crowded = step_below(maker, 2);
  return step;
}

static struct replay_step pass_time(struct step_maker *maker) {
  uint64_t ms = step_below(maker, 3) ? 0 : step_below(maker, 40);
  maker->now_ns += ms * CLOCK_NS_PER_MS;
  return step_at(maker, REPLAY_TIME, 0);
}

static struct replay_step fill_disk(struct step_maker *maker) {
  struct replay_step step = step_at(maker, REPLAY_DISK, 0);
  step.is_full = step_below(maker, 4) == 0;
  return step;
}

/* Now and then; all connections are gone. */
static struct replay_step restart(struct step_maker *maker) {
  for (uint64_t connection = 1; connection <= STEP_MAKER_CONNECTIONS; connection++) {
    maker->open[connection] = false;
    maker->bound[connection] = NULL;
  }
  return step_at(maker, REPLAY_RESTART, 0);
}

static struct replay_step happen_outside(struct step_maker *maker) {
  switch (step_below(maker, 64)) {
    case 0:
      return restart(maker);
    case 1:
    case 2:
      return fill_disk(maker);
    default:
      return step_below(maker, 4) ? pass_time(maker) : crowd(maker);
  }
}

/* Mostly all may do all: else little is left to be seen. */
static struct replay_step change_users(struct step_maker *maker) {
  struct replay_step step = step_at(maker, REPLAY_USERS, 0);
  step.users = step_below(maker, 3) ? 0 : step_below(maker, RANDOM_USERS_VARIANTS);
  return step;
}

static struct replay_step end_process(struct step_maker *maker) {
  struct replay_step step = step_at(maker, REPLAY_PROCESS_ENDED, 0);
  const struct step_session *session = step_any_session(maker);
  if (session) {
    memcpy(&step.session, session->id, sizeof step.session);
  }
  return step;
}

static struct replay_step make_session_step(struct step_maker *maker, uint64_t connection) {
  switch (step_below(maker, 6)) {
    case 0:
      return step_close_session(maker, connection);
    case 1:
      return step_fork_session(maker, connection);
    case 2:
      return step_resume_session(maker, connection);
    case 3:
      return disconnect(maker, connection);
    case 4:
      return end_process(maker);
    default:
      return step_open_session(maker, connection);
  }
}

struct replay_step step_maker_make(struct step_maker *maker) {
  uint64_t connection = 1 + step_below(maker, STEP_MAKER_CONNECTIONS),
           choice = step_below(maker, 100);
  if (!maker->open[connection]) {
    return connect(maker, connection);
  }
  if (choice < 2) {
    return make_session_step(maker, connection);
  }
  if (choice == 2 && step_below(maker, 3) == 0) {
    return change_users(maker);
  }
  if (choice < 10) {
    return choice == 2 ? happen_outside(maker) : pass_time(maker);
  }
  if (choice < 14) {
    return step_at(maker,
                   choice == 10   ? REPLAY_TAKE_JOB
                   : choice == 11 ? REPLAY_FINISH_JOB
                                  : REPLAY_FREE,
                   0);
  }
  if (connection != STEP_ONE_WAY && !maker->bound[connection] && step_below(maker, 3)) {
    return step_open_session(maker, connection);
  }
  return choice < 45 ? make_random_request(maker, connection) : step_make_shared(maker, connection);
}

struct replay_step step_maker_make_cell(struct step_maker *maker) {
  uint64_t connection = 1 + step_below(maker, STEP_MAKER_CONNECTIONS - 1);
  return maker->open[connection] && maker->bound[connection]
             ? step_make_cell(maker, connection, step_below(maker, 4))
             : step_maker_make(maker);
}
