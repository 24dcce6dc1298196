#include "tests/support/step_sessions.h"

#include "proto/base/clock.h"
#include "tests/support/messages.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void step_maker_init(struct step_maker *maker, uint64_t seed) {
  *maker = (struct step_maker){.now_ns = CLOCK_NS_PER_MS};
  request_maker_init(&maker->requests, seed);
}

void step_maker_deinit(struct step_maker *maker) {
  request_maker_deinit(&maker->requests);
  free(maker->body);
}

struct replay_step step_at(const struct step_maker *maker, enum replay_kind kind,
                           uint64_t connection) {
  return (struct replay_step){.kind = kind, .now_ns = maker->now_ns, .connection = connection};
}

struct replay_step step_send(struct step_maker *maker, uint64_t connection,
                             const Holdfast__Request *request) {
  struct replay_step step = step_at(maker, REPLAY_REQUEST, connection);
  size_t len = holdfast__request__get_packed_size(request);
  free(maker->body);
  maker->body = malloc(len + 1);
  assert(maker->body);
  holdfast__request__pack(request, maker->body);
  step.body = bytes_of(maker->body, len);
  step.id = ++maker->next_id;
  for (size_t i = 0; i < HF_SESSION_BYTES; i++) {
    step.entropy[i] = (uint8_t)step_below(maker, 256);
  }
  return step;
}

/* ---- sessions */

static struct step_session *add_session(struct step_maker *maker, const uint8_t *id) {
  struct step_session *session = &maker->sessions[maker->sessions_count++ % STEP_MAKER_SESSIONS];
  for (size_t i = 1; i <= STEP_MAKER_CONNECTIONS; i++) {
    maker->bound[i] = maker->bound[i] == session ? NULL : maker->bound[i];
  }
  *session = (struct step_session){0};
  memcpy(session->id, id, sizeof session->id);
  return session;
}

struct step_session *step_any_session(struct step_maker *maker) {
  size_t known =
      maker->sessions_count < STEP_MAKER_SESSIONS ? maker->sessions_count : STEP_MAKER_SESSIONS;
  return known > 0 ? &maker->sessions[step_below(maker, known)] : NULL;
}

static ProtobufCBinaryData id_of(struct step_session *session) {
  return (ProtobufCBinaryData){sizeof session->id, session->id};
}

struct replay_step step_open_session(struct step_maker *maker, uint64_t connection) {
  bool tells = step_below(maker, 4) > 0;
  Holdfast__Request *request = REQUEST(
      OPEN_SESSION, OpenSession, open_session, .grace_ms = 1 + (uint32_t)step_below(maker, 200),
      .machine = {tells ? 4 : 0, (uint8_t *)"here"}, .process = 1 + step_below(maker, 50));
  struct replay_step step = step_send(maker, connection, request);
  maker->bound[connection] = add_session(maker, step.entropy);
  return step;
}

struct replay_step step_resume_session(struct step_maker *maker, uint64_t connection) {
  struct step_session *session = step_any_session(maker);
  if (!session) {
    return step_open_session(maker, connection);
  }
  Holdfast__Request *request =
      REQUEST(RESUME_SESSION, ResumeSession, resume_session, .attempt = ++session->attempt);
  request->session = id_of(session);
  for (size_t i = 1; i <= STEP_MAKER_CONNECTIONS; i++) {
    maker->bound[i] = maker->bound[i] == session ? NULL : maker->bound[i];
  }
  maker->bound[connection] = session;
  return step_send(maker, connection, request);
}

void step_put_in_session(struct step_maker *maker, uint64_t connection,
                         Holdfast__Request *request) {
  static uint64_t also[2];
  struct step_session *session = maker->bound[connection];
  uint64_t choice = step_below(maker, 30);
  if (connection == STEP_ONE_WAY) {
    session = choice < 25 ? step_any_session(maker) : NULL;
    request->session = session ? id_of(session) : request->session;
    request->sequence = session && choice < 23 ? ++session->one_way_sequence : 0;
    return;
  }
  if (!session || choice == 0) {
    return;
  }
  request->sequence = choice == 1 ? session->sequence - step_below(maker, 5) : ++session->sequence;
  request->acked = session->sequence - step_below(maker, 40);
  if (step_below(maker, 4) == 0) {
    also[0] = session->sequence - step_below(maker, 20);
    also[1] = session->sequence - step_below(maker, 20);
    request->acked_also = also;
    request->n_acked_also = 2;
  }
}

struct replay_step step_fork_session(struct step_maker *maker, uint64_t connection) {
  static uint8_t child[HF_SESSION_BYTES];
  for (size_t i = 0; i < sizeof child; i++) {
    child[i] = (uint8_t)step_below(maker, 256);
  }
  Holdfast__Request *request =
      REQUEST(FORK_SESSION, ForkSession, fork_session, .child = {sizeof child, child});
  step_put_in_session(maker, connection, request);
  if (maker->bound[connection]) {
    (void)add_session(maker, child);
  }
  return step_send(maker, connection, request);
}

struct replay_step step_close_session(struct step_maker *maker, uint64_t connection) {
  Holdfast__Request *request = REQUEST(CLOSE_SESSION, CloseSession, close_session);
  step_put_in_session(maker, connection, request);
  maker->bound[connection] = NULL;
  return step_send(maker, connection, request);
}
