/* holdfast queue ... */
#include "client/cli/answer.h"
#include "client/cli/command.h"
#include "client/cli/queue_work.h"

#define QUEUE(object) ((hf_queue *)(object))

static int make(struct cli *cli, hf_object *object) {
  (void)object;
  hf_queue *queue;
  if (hf_queue_open(cli->conn, cli->args[0].text, cli->options.maxsize, &queue) != HF_OK)
    return cli_fail_on(cli, cli->args[0].text);
  hf_queue_close(queue);
  return output_done(cli);
}

/* Without --maxsize a queue that exists is taken as it is: only a new one needs to know its size.
 */
static hf_status open_for_put(struct cli *cli, hf_queue **queue) {
  const char *name = cli->args[0].text;
  hf_object *object;
  if (!cli->options.has_maxsize) {
    hf_status status = hf_open(cli->conn, name, HF_QUEUE, &object);
    if (status == HF_OK)
      *queue = QUEUE(object);
    if (status != HF_NOT_FOUND)
      return status;
  }
  return hf_queue_open(cli->conn, name, cli->options.maxsize, queue);
}

static int put(struct cli *cli, hf_object *object) {
  (void)object;
  hf_queue *queue;
  size_t count;
  const hf_value *values = answer_rest(cli, 1, &count);
  const struct hf_put_options options = {cli->options.priority, cli->options.delay_ms};
  if (open_for_put(cli, &queue) != HF_OK)
    return cli_fail_on(cli, cli->args[0].text);
  hf_status status = HF_OK;
  for (size_t i = 0; i < count && status == HF_OK; i++)
    status = hf_queue_put_with(queue, values[i], &options, cli_wait_ms(cli));
  int code = answer_done(cli, status);
  hf_queue_close(queue);
  return code;
}

static int get_many(struct cli *cli, hf_object *object) {
  hf_value *values = NULL;
  size_t count = 0;
  hf_status status =
      hf_queue_get_many(QUEUE(object), cli->options.max, cli_wait_ms(cli), &values, &count);
  return answer_values(cli, status, "value", values, count);
}

static int get(struct cli *cli, hf_object *object) {
  hf_value value;
  if (cli->options.max > 0)
    return get_many(cli, object);
  return answer_value(cli, hf_queue_get(QUEUE(object), cli_wait_ms(cli), &value), &value);
}

static int size(struct cli *cli, hf_object *object) {
  uint64_t count;
  return answer_count(cli, hf_queue_size(QUEUE(object), &count), "size", &count);
}

static int empty(struct cli *cli, hf_object *object) {
  bool truth;
  return answer_bool(cli, hf_queue_empty(QUEUE(object), &truth), "empty", &truth);
}

static int full(struct cli *cli, hf_object *object) {
  bool truth;
  return answer_bool(cli, hf_queue_full(QUEUE(object), &truth), "full", &truth);
}

static int done(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_queue_task_done(QUEUE(object)));
}

static int join(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_queue_join(QUEUE(object), cli_wait_ms(cli)));
}

static int kick(struct cli *cli, hf_object *object) {
  uint64_t kicked;
  int64_t count = cli->arg_count > 1 ? cli->args[1].integer : 0;
  if (cli->arg_count > 1 && count < 1)
    return cli_usage(cli, "COUNT is at least 1");
  return answer_count(cli, hf_queue_kick(QUEUE(object), (uint64_t)count, &kicked), "kicked",
                      &kicked);
}

static int shut_down(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_queue_shutdown(QUEUE(object), cli->options.immediate));
}

const struct command queue_commands[] = {
    {"new", "n", "NAME", OPEN_NOTHING, HF_QUEUE, false, make,
     "creates it; --maxsize N (0: unbounded)"},
    {"put", "nv*", "NAME VALUE..", OPEN_NOTHING, HF_QUEUE, true, put,
     "waits while full; --priority N, --delay-ms MS"},
    {"get", "n", "NAME", OPEN_EXISTING, HF_QUEUE, true, get,
     "waits while empty; --max N: up to so many"},
    {"size", "n", "NAME", OPEN_EXISTING, HF_QUEUE, false, size, "how many items"},
    {"empty", "n", "NAME", OPEN_EXISTING, HF_QUEUE, false, empty, "is it empty?"},
    {"full", "n", "NAME", OPEN_EXISTING, HF_QUEUE, false, full, "is it full?"},
    {"done", "n", "NAME", OPEN_EXISTING, HF_QUEUE, false, done, "one item that was got is done"},
    {"join", "n", "NAME", OPEN_EXISTING, HF_QUEUE, true, join,
     "waits until all are done; --timeout"},
    {"work", "nn*", "NAME [OPTIONS] -- PROGRAM..", OPEN_EXISTING, HF_QUEUE, true, queue_work,
     "for each item; --lease-ms --delay-ms --bury --count"},
    {"kick", "n?i", "NAME [COUNT]", OPEN_EXISTING, HF_QUEUE, false, kick,
     "brings buried items back (all)"},
    {"shutdown", "n", "NAME", OPEN_EXISTING, HF_QUEUE, false, shut_down,
     "no more puts; --immediate: drops what is there"},
    {0},
};
