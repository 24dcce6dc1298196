/* holdfast event ... */
#include "client/cli/answer.h"
#include "client/cli/command.h"

#define EVENT(object) ((hf_event *)(object))

static int make(struct cli *cli, hf_object *object) {
  (void)object; /* the event was created by opening it */
  return output_done(cli);
}

static int set(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_event_set(EVENT(object)));
}

static int clear(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_event_clear(EVENT(object)));
}

static int is_set(struct cli *cli, hf_object *object) {
  bool truth;
  return answer_bool(cli, hf_event_is_set(EVENT(object), &truth), "is_set", &truth);
}

static int wait_set(struct cli *cli, hf_object *object) {
  bool truth;
  return answer_bool(cli, hf_event_wait(EVENT(object), cli_wait_ms(cli), &truth), "is_set", &truth);
}

const struct command event_commands[] = {
    {"new", "n", "NAME", OPEN_CREATING, HF_EVENT, false, make, "creates it, not set"},
    {"set", "n", "NAME", OPEN_CREATING, HF_EVENT, false, set, "sets it; ends all waits"},
    {"clear", "n", "NAME", OPEN_EXISTING, HF_EVENT, false, clear, "from now on it is waited for"},
    {"is-set", "n", "NAME", OPEN_EXISTING, HF_EVENT, false, is_set, "is it set?"},
    {"wait", "n", "NAME", OPEN_EXISTING, HF_EVENT, true, wait_set,
     "until it is set; --timeout, --nowait"},
    {0},
};
