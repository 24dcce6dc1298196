#include "client/cli/queue_work.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/cli/output.h"
#include "client/cli/program.h"
#include "client/cli/value_json.h"

/* A delay, since an item whose program fails at once would otherwise loop. */
#define RETURN_DELAY_MS_DEFAULT 1000

struct worker {
  struct cli *cli;
  hf_queue *queue;
  struct hf_reservation item;
};

/* ------------------------------------------------------------------ the item */

static bool last_reason_is(const char *reason) {
  return strcmp(hf_last_error()->reason, reason) == 0;
}

/* A `keep` of a program: whether the item is still reserved. An unreachable server counts as yes,
 * since it may become reachable again. */
static bool keep_item(void *ctx) {
  const struct worker *worker = ctx;
  uint64_t lease_ms = worker->cli->options.lease_ms;
  hf_status status = lease_ms > 0 ? hf_queue_extend(worker->queue, worker->item.id, lease_ms)
                                  : hf_ping(worker->cli->conn, NULL);
  return status == HF_OK || status == HF_UNAVAILABLE || status == HF_RESOURCE_EXHAUSTED;
}

/* A descriptor from which the item is read: a line of JSON, or with -o raw text as it is. */
static int item_input(const struct worker *worker) {
  int fd = memfd_create("item", MFD_CLOEXEC);
  FILE *stream = fd < 0 ? NULL : fdopen(dup(fd), "w");
  if (stream == NULL) {
    close(fd);
    return -1;
  }
  const hf_value *value = &worker->item.value;
  if (worker->cli->options.format == CLI_RAW && value->type == HF_TYPE_TEXT) {
    fwrite(value->text, 1, value->size, stream);
  } else {
    json_t *node = value_json_encode(value);
    value_json_print(node, stream);
    json_decref(node);
    fputc('\n', stream);
  }
  if (fclose(stream) != 0 || lseek(fd, 0, SEEK_SET) != 0) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

/* Acknowledges, returns or buries the item, depending on the program's exit code. */
static hf_status settle(const struct worker *worker, int program_code) {
  const struct cli_options *options = &worker->cli->options;
  if (program_code == 0)
    return hf_queue_ack(worker->queue, worker->item.id);
  if (options->bury)
    return hf_queue_bury(worker->queue, worker->item.id);
  return hf_queue_return(worker->queue, worker->item.id,
                         options->has_delay ? options->delay_ms : RETURN_DELAY_MS_DEFAULT);
}

/* ------------------------------------------------------------------ one item after the other */

static int run_program(struct worker *worker, struct program_end *end) {
  int input = item_input(worker);
  if (input < 0) {
    fprintf(stderr, "holdfast: cannot hand the item over: %s\n", strerror(errno));
    return CLI_FAILED;
  }
  struct program program = {.words = program_words(worker->cli),
                            .resource = "item",
                            .variable = "HOLDFAST_TRIES",
                            .number = worker->item.tries,
                            .input = input,
                            .lease_ms = worker->cli->options.lease_ms,
                            .keep = keep_item,
                            .ctx = worker};
  int code = program_run(worker->cli, &program, end);
  close(input);
  return code;
}

/* Processes the reserved item. CLI_YES: continue; *stop: end after this item. */
static int do_item(struct worker *worker, bool *stop) {
  struct program_end end;
  int code = run_program(worker, &end);
  if (code != CLI_YES)
    return code;
  /* If the reservation was lost, this call is refused with the reason. */
  if (settle(worker, end.code) != HF_OK) {
    code = cli_fail(worker->cli);
    if (!last_reason_is("NOT_RESERVED"))
      return code;
  }
  *stop = end.signal != 0;
  if (end.signal != 0)
    return end.code == 0 ? CLI_YES : PROGRAM_SIGNAL_BASE + end.signal;
  return end.code == PROGRAM_CANNOT_RUN || end.code == PROGRAM_NOT_FOUND ? end.code : CLI_YES;
}

/* Handles the lack of an item: the end, or an error. */
static int without_item(const struct cli *cli) {
  return last_reason_is("QUEUE_SHUT_DOWN") || last_reason_is("QUEUE_EMPTY") ? CLI_YES
                                                                            : cli_fail(cli);
}

int queue_work(struct cli *cli, hf_object *object) {
  struct worker worker = {.cli = cli, .queue = (hf_queue *)object};
  uint64_t done_count = 0;
  bool stop = false;
  int code = CLI_YES;
  /* While an item is processed its program gets the signals; otherwise they end this process. */
  sigset_t mask;
  sigprocmask(SIG_SETMASK, NULL, &mask);
  while (code == CLI_YES && !stop && (cli->options.count == 0 || done_count < cli->options.count)) {
    if (hf_queue_reserve(worker.queue, cli->options.lease_ms, cli_wait_ms(cli), &worker.item) !=
        HF_OK)
      return without_item(cli);
    code = do_item(&worker, &stop);
    hf_value_clear(&worker.item.value);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    done_count++;
  }
  return code;
}
