/* Memory and errors of one run; see cli.h. */
#include "client/cli/cli.h"

#include "client/cli/terminal.h"
#include "client/cli/value_json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cli_block {
  struct cli_block *next;
  max_align_t data[];
};

void *cli_alloc(struct cli *cli, size_t size_bytes) {
  struct cli_block *block = calloc(1, sizeof *block + size_bytes);
  if (block == NULL) {
    fputs("holdfast: out of memory\n", stderr);
    exit(CLI_FAILED);
  }
  block->next = cli->blocks;
  cli->blocks = block;
  return block->data;
}

void cli_deinit(struct cli *cli) {
  while (cli->blocks != NULL) {
    struct cli_block *block = cli->blocks;
    cli->blocks = block->next;
    free(block);
  }
}

int64_t cli_wait_ms(const struct cli *cli) {
  return cli->options.has_timeout ? cli->options.timeout_ms : HF_FOREVER;
}

/* Reasons that mean "no", although their status is an error. */
static bool is_no(hf_status status, const char *reason) {
  static const char *const words[] = {"QUEUE_EMPTY", "QUEUE_FULL",     "PIPE_EMPTY",
                                      "PIPE_FULL",   "IS_EMPTY",       "BAD_INDEX",
                                      "END_OF_FILE", "BARRIER_BROKEN", "QUEUE_SHUT_DOWN"};
  if (status == HF_NOT_FOUND || status == HF_DEADLINE_EXCEEDED)
    return true;
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (strcmp(reason, words[i]) == 0)
      return true;
  return false;
}

static int exit_code(hf_status status, const char *reason) {
  if (is_no(status, reason))
    return CLI_NO;
  if (status == HF_UNAVAILABLE || strcmp(reason, "SESSION_ENDED") == 0)
    return CLI_NO_SERVER;
  if (strcmp(reason, "BAD_ADDRESS") == 0 || strcmp(reason, "USAGE") == 0)
    return CLI_USAGE;
  return CLI_FAILED;
}

static void report(const struct cli *cli, hf_status status, const char *reason,
                   const char *message) {
  if (cli->options.format != CLI_JSON) {
    fputs("holdfast: ", stderr);
    terminal_put(stderr, message);
    fprintf(stderr, " (%s%s", hf_status_name(status), reason[0] == '\0' ? "" : " ");
    terminal_put(stderr, reason);
    fputs(")\n", stderr);
    return;
  }
  json_t *error = json_pack("{s:{s:s, s:s, s:s}}", "error", "status", hf_status_name(status),
                            "reason", reason, "message", message);
  if (error == NULL) /* a message that is not UTF-8, which JSON can't carry */
    error = json_pack("{s:{s:s, s:s, s:s}}", "error", "status", hf_status_name(status), "reason",
                      reason, "message", "the message is not UTF-8");
  value_json_print(error, stderr);
  fputc('\n', stderr);
  json_decref(error);
}

int cli_fail_with(const struct cli *cli, hf_status status, const char *reason,
                  const char *message) {
  report(cli, status, reason, message);
  return exit_code(status, reason);
}

int cli_fail(const struct cli *cli) {
  const struct hf_error *error = hf_last_error();
  return cli_fail_with(cli, error->status, error->reason, error->message);
}

int cli_fail_on(const struct cli *cli, const char *name) {
  const struct hf_error *error = hf_last_error();
  char message[512];
  hf_reason reason = hf_reason_find(error->reason, strlen(error->reason));
  if (strcmp(error->message, hf_reason_sentence(reason)) != 0)
    return cli_fail(cli); /* it has the names that matter */
  snprintf(message, sizeof message, "%s: %s", name, error->message);
  return cli_fail_with(cli, error->status, error->reason, message);
}

int cli_usage(const struct cli *cli, const char *format, ...) {
  char message[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return cli_fail_with(cli, HF_INVALID_ARGUMENT, "USAGE", message);
}
