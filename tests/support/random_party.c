#include "tests/support/random_story_parts.h"

#include "tests/support/messages.h"
#include "tests/support/random_users.h"

#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"a", "b", "key", "attribute",
                                    "a text of more than a few bytes"};

const char *random_party_word(struct random_story *story) {
  return words[below(story, sizeof words / sizeof *words)];
}

void random_party_put_body(struct random_story *story, Holdfast__Request *request) {
  size_t len = holdfast__request__get_packed_size(request);
  if (len + 1 > story->body_capacity) {
    story->body_capacity = 2 * len + 64;
    story->body = realloc(story->body, story->body_capacity);
    if (!story->body) {
      abort();
    }
  }
  story->body_len = holdfast__request__pack(request, story->body);
}

void random_party_connect(struct random_story *story, struct random_party *party) {
  party->connection = ++story->next_connection;
  party->is_bound = false;
  story->event = RANDOM_CONNECT;
  story->connection = party->connection;
  story->one_way = party == &story->parties[RANDOM_PARTIES - 1];
  /* It sends in the sessions of others. */
  bool is_owner = !story->has_users || story->one_way;
  story->user = is_owner ? "" : random_users_name(party->connection);
}

void random_party_disconnect(struct random_story *story, struct random_party *party) {
  story->event = RANDOM_DISCONNECT;
  story->connection = party->connection;
  party->connection = 0;
}

static void send_bind(struct random_story *story, struct random_party *party,
                      Holdfast__Request *request) {
  memcpy(story->entropy, party->session, sizeof story->entropy);
  party->is_bound = true;
  story->event = RANDOM_REQUEST;
  story->connection = party->connection;
  random_party_put_body(story, request);
}

static void open_session(struct random_story *story, struct random_party *party) {
  story->word = random_party_word(story);
  memset(party->session, 0, sizeof party->session);
  memcpy(party->session, &(uint64_t){++story->next_session}, sizeof(uint64_t));
  party->has_session = true;
  party->sequence = party->acked = party->attempt = party->one_way_sequence = 0;
  send_bind(story, party,
            REQUEST(OPEN_SESSION, OpenSession, open_session, .grace_ms = 1000,
                    .client = DATA(story->word), .machine = DATA("machine"),
                    .process = 1 + below(story, 9)));
}

void random_party_resume(struct random_story *story, struct random_party *party) {
  Holdfast__Request *request =
      REQUEST(RESUME_SESSION, ResumeSession, resume_session, .attempt = ++party->attempt);
  request->session = (ProtobufCBinaryData){HF_SESSION_BYTES, party->session};
  send_bind(story, party, request);
}

void random_party_bind(struct random_story *story, struct random_party *party) {
  if (!party->has_session || below(story, 5) == 0) {
    open_session(story, party);
  } else {
    random_party_resume(story, party);
  }
}
