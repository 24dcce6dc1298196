/* holdfast pipe ...
 *
 * End 1 is used as a process of its own would: the command attaches to it, and leaving closes it,
 * so what `send` sent is followed by end of file, as with echo into a fifo. End 0 is used without
 * attaching, so that any number of `recv` can read what is there and nothing is closed for others.
 */
#include "client/cli/answer.h"
#include "client/cli/command.h"

struct end {
  hf_pipe *pipe;
  bool attached;
};

/* Only a sender creates a missing pipe; reading does not. */
static hf_status open_end(struct cli *cli, int usual_end, struct end *end) {
  int number = cli->options.end >= 0 ? cli->options.end : usual_end;
  const char *name = cli->args[0].text;
  hf_object *object = NULL;
  if (number == 0 || usual_end == 0) {
    hf_status status = hf_open(cli->conn, name, HF_PIPE, &object);
    if (status != HF_OK)
      return status;
  }
  end->attached = number == 1;
  end->pipe = (hf_pipe *)object;
  if (!end->attached)
    return HF_OK;
  hf_status status = cli->options.one_way
                         ? hf_pipe_open_one_way(cli->conn, name, number, &end->pipe)
                         : hf_pipe_open(cli->conn, name, number, &end->pipe);
  hf_object_close(object);
  return status;
}

static void close_end(struct end *end) {
  if (end->attached)
    hf_pipe_close(end->pipe);
  else
    hf_object_close(HF_AS_OBJECT(end->pipe));
}

static int send_values(struct cli *cli, hf_object *object) {
  (void)object;
  struct end end;
  size_t count;
  const hf_value *values = answer_rest(cli, 1, &count);
  if (open_end(cli, 1, &end) != HF_OK)
    return cli_fail_on(cli, cli->args[0].text);
  hf_status status = HF_OK;
  for (size_t i = 0; i < count && status == HF_OK; i++)
    status = hf_pipe_send(end.pipe, values[i], cli_wait_ms(cli));
  int code = answer_done(cli, status);
  close_end(&end);
  return code;
}

static int recv_value(struct cli *cli, hf_object *object) {
  (void)object;
  struct end end;
  hf_value value;
  if (open_end(cli, 0, &end) != HF_OK)
    return cli_fail_on(cli, cli->args[0].text);
  int code = answer_value(cli, hf_pipe_recv(end.pipe, cli_wait_ms(cli), &value), &value);
  close_end(&end);
  return code;
}

static int poll_end(struct cli *cli, hf_object *object) {
  (void)object;
  struct end end;
  bool readable;
  int64_t timeout_ms = cli->options.has_timeout ? cli->options.timeout_ms : 0;
  if (open_end(cli, 0, &end) != HF_OK)
    return cli_fail_on(cli, cli->args[0].text);
  hf_status status = hf_pipe_poll(end.pipe, timeout_ms, &readable);
  int code = answer_bool(cli, status, "readable", &readable);
  close_end(&end);
  return code;
}

const struct command pipe_commands[] = {
    {"send", "nv*", "NAME VALUE..", OPEN_NOTHING, HF_PIPE, true, send_values,
     "from end 1, then closes it"},
    {"recv", "n", "NAME", OPEN_NOTHING, HF_PIPE, true, recv_value, "at end 0; --end 1 closes it"},
    {"poll", "n", "NAME", OPEN_NOTHING, HF_PIPE, true, poll_end, "is there something? --timeout"},
    {0},
};
