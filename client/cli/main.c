/* The `holdfast` command: options by argp, then one row of a table in cmd_*.c.
 *
 * threads  one, but for `lock run`, `semaphore run` and `queue work`
 */
#include "client/cli/cli.h"
#include "client/cli/command.h"
#include "client/cli/program.h"
#include "client/cli/terminal.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef HOLDFAST_VERSION
#error "the build names the version"
#endif

enum option_key {
  KEY_URL = 256,
  KEY_KEY_FILE,
  KEY_CA_FILE,
  KEY_CERT_FILE,
  KEY_PRIVATE_KEY_FILE,
  KEY_TIMEOUT,
  KEY_NOWAIT,
  KEY_TEXT,
  KEY_MAXSIZE,
  KEY_KIND,
  KEY_END,
  KEY_TOKEN,
  KEY_START,
  KEY_PARTIES,
  KEY_BOUNDED,
  KEY_RAW_OBJECT,
  KEY_VOLATILE,
  KEY_REVERSE,
  KEY_ONE_WAY,
  KEY_MISSING,
  KEY_DELETE,
  KEY_PRIORITY,
  KEY_DELAY,
  KEY_LEASE,
  KEY_MAX,
  KEY_COUNT,
  KEY_BURY,
  KEY_IMMEDIATE,
  KEY_REFUSE_DEADLOCK,
  KEY_WAIT,
  KEY_VERSION,
  KEY_HELP,
};

static const struct argp_option option_rows[] = {
    {"url", KEY_URL, "URL", 0, NULL, 0},
    {"key-file", KEY_KEY_FILE, "FILE", 0, NULL, 0},
    {"ca-file", KEY_CA_FILE, "FILE", 0, NULL, 0},
    {"cert-file", KEY_CERT_FILE, "FILE", 0, NULL, 0},
    {"private-key-file", KEY_PRIVATE_KEY_FILE, "FILE", 0, NULL, 0},
    {"output", 'o', "FORMAT", 0, NULL, 0},
    {"timeout", KEY_TIMEOUT, "MS", 0, NULL, 0},
    {"nowait", KEY_NOWAIT, NULL, 0, NULL, 0},
    {"text", KEY_TEXT, NULL, 0, NULL, 0},
    {"maxsize", KEY_MAXSIZE, "N", 0, NULL, 0},
    {"kind", KEY_KIND, "KIND", 0, NULL, 0},
    {"end", KEY_END, "0|1", 0, NULL, 0},
    {"token", KEY_TOKEN, "N", 0, NULL, 0},
    {"start", KEY_START, "N", 0, NULL, 0},
    {"parties", KEY_PARTIES, "N", 0, NULL, 0},
    {"bounded", KEY_BOUNDED, NULL, 0, NULL, 0},
    {"raw", KEY_RAW_OBJECT, NULL, 0, NULL, 0},
    {"volatile", KEY_VOLATILE, NULL, 0, NULL, 0},
    {"reverse", KEY_REVERSE, NULL, 0, NULL, 0},
    {"one-way", KEY_ONE_WAY, NULL, 0, NULL, 0},
    {"missing", KEY_MISSING, NULL, 0, NULL, 0},
    {"delete", KEY_DELETE, NULL, 0, NULL, 0},
    {"priority", KEY_PRIORITY, "N", 0, NULL, 0},
    {"delay-ms", KEY_DELAY, "MS", 0, NULL, 0},
    {"lease-ms", KEY_LEASE, "MS", 0, NULL, 0},
    {"max", KEY_MAX, "N", 0, NULL, 0},
    {"count", KEY_COUNT, "N", 0, NULL, 0},
    {"bury", KEY_BURY, NULL, 0, NULL, 0},
    {"immediate", KEY_IMMEDIATE, NULL, 0, NULL, 0},
    {"refuse-deadlock", KEY_REFUSE_DEADLOCK, NULL, 0, NULL, 0},
    {"wait", KEY_WAIT, NULL, 0, NULL, 0},
    {"version", KEY_VERSION, NULL, 0, NULL, 0},
    {"help", KEY_HELP, NULL, 0, NULL, 0},
    {"usage", KEY_HELP, NULL, OPTION_HIDDEN, NULL, 0}, /* named in argp's messages */
    /* Negative numbers are arguments, not options: each digit is declared as an option. */
    {NULL, '0', "", OPTION_ARG_OPTIONAL | OPTION_HIDDEN, NULL, 0},
    {NULL, '1', "", OPTION_ARG_OPTIONAL | OPTION_HIDDEN, NULL, 0},
    {NULL, '2', "", OPTION_ARG_OPTIONAL | OPTION_HIDDEN, NULL, 0},
    {NULL, '3', "", OPTION_ARG_OPTIONAL | OPTION_HIDDEN, NULL, 0},
    {NULL, '4', "", OPTION_ARG_OPTIONAL | OPTION_HIDDEN, NULL, 0},
    {NULL, '5', "", OPTION_ARG_OPTIONAL | OPTION_HIDDEN, NULL, 0},
    {NULL, '6', "", OPTION_ARG_OPTIONAL | OPTION_HIDDEN, NULL, 0},
    {NULL, '7', "", OPTION_ARG_OPTIONAL | OPTION_HIDDEN, NULL, 0},
    {NULL, '8', "", OPTION_ARG_OPTIONAL | OPTION_HIDDEN, NULL, 0},
    {NULL, '9', "", OPTION_ARG_OPTIONAL | OPTION_HIDDEN, NULL, 0},
    {0},
};

static long long read_number(struct argp_state *state, const char *name, const char *text,
                             long long least) {
  char *end;
  errno = 0;
  long long number = strtoll(text, &end, 10);
  if (text[0] == '\0' || *end != '\0' || errno != 0 || number < least)
    argp_error(state, "--%s takes an integer from %lld, not %s", name, least, text);
  return number;
}

static enum cli_format read_format(struct argp_state *state, const char *word) {
  static const char *const words[] = {
      [CLI_TABLE] = "table", [CLI_JSON] = "json", [CLI_RAW] = "raw"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (strcmp(word, words[i]) == 0)
      return (enum cli_format)i;
  argp_error(state, "-o takes table, json or raw, not %s", word);
  return CLI_TABLE;
}

static uint64_t read_token(struct argp_state *state, const char *text) {
  char *end;
  errno = 0;
  unsigned long long token = strtoull(text, &end, 10);
  if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0)
    argp_error(state, "--token takes a lock's token, not %s", text);
  return token;
}

static void read_end(struct argp_state *state, struct cli_options *options, const char *text) {
  if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
    argp_error(state, "--end takes 0 or 1, not %s", text);
  options->end = text[0] - '0';
}

static void read_kind(struct argp_state *state, struct cli_options *options, const char *word) {
  options->kind = hf_kind_find(word);
  if (options->kind == HF_ANY)
    argp_error(state, "--kind takes dict, list, queue, pipe, .., not %s", word);
}

static void keep_word(struct cli *cli, char *word) {
  cli->words[cli->word_count++] = word;
}

/* Options that are a plain switch; false when `key` is another one. */
static bool set_switch(struct cli_options *options, int key) {
  switch (key) {
    case KEY_NOWAIT:
      options->has_timeout = true;
      options->timeout_ms = 0;
      return true;
    case KEY_TEXT:
      return options->text = true;
    case KEY_RAW_OBJECT:
      return options->raw_object = true;
    case KEY_VOLATILE:
      return options->is_volatile = true;
    case KEY_BOUNDED:
      return options->bounded = true;
    case KEY_REVERSE:
      return options->reverse = true;
    case KEY_ONE_WAY:
      return options->one_way = true;
    case KEY_MISSING:
      return options->missing = true;
    case KEY_DELETE:
      return options->delete_it = true;
    case KEY_BURY:
      return options->bury = true;
    case KEY_IMMEDIATE:
      return options->immediate = true;
    case KEY_REFUSE_DEADLOCK:
      return options->refuse_deadlock = true;
    case KEY_WAIT:
      return options->wait = true;
    default:
      return false;
  }
}

/* Options of queues and leases; false when `key` is another one. */
static bool take_work_option(struct cli_options *options, int key, const char *text,
                             struct argp_state *state) {
  switch (key) {
    case KEY_PRIORITY:
      options->priority = read_number(state, "priority", text, INT64_MIN);
      return true;
    case KEY_DELAY:
      options->has_delay = true;
      options->delay_ms = (uint64_t)read_number(state, "delay-ms", text, 0);
      return true;
    case KEY_LEASE:
      options->lease_ms = (uint64_t)read_number(state, "lease-ms", text, 1);
      return true;
    case KEY_MAX:
      options->max = (uint64_t)read_number(state, "max", text, 1);
      return true;
    case KEY_COUNT:
      options->count = (uint64_t)read_number(state, "count", text, 1);
      return true;
    default:
      return false;
  }
}

/* Files of tls; false when `key` is another one. */
static bool take_file_option(struct cli_options *options, int key, const char *text) {
  switch (key) {
    case KEY_KEY_FILE:
      options->key_file = text;
      return true;
    case KEY_CA_FILE:
      options->ca_file = text;
      return true;
    case KEY_CERT_FILE:
      options->cert_file = text;
      return true;
    case KEY_PRIVATE_KEY_FILE:
      options->private_key_file = text;
      return true;
    default:
      return false;
  }
}

static error_t take_option(int key, char *text, struct argp_state *state) {
  struct cli *cli = state->input;
  struct cli_options *options = &cli->options;
  if (set_switch(options, key) || take_file_option(options, key, text) ||
      take_work_option(options, key, text, state))
    return 0;
  switch (key) {
    case KEY_URL:
      options->url = text;
      return 0;
    case 'o':
      options->format = read_format(state, text);
      return 0;
    case KEY_TIMEOUT:
      options->has_timeout = true;
      options->timeout_ms = read_number(state, "timeout", text, 0);
      return 0;
    case KEY_MAXSIZE:
      options->has_maxsize = true;
      options->maxsize = read_number(state, "maxsize", text, 0);
      return 0;
    case KEY_START:
      options->start = (uint64_t)read_number(state, "start", text, 0);
      return 0;
    case KEY_PARTIES:
      options->parties = (uint64_t)read_number(state, "parties", text, 1);
      return 0;
    case KEY_KIND:
      read_kind(state, options, text);
      return 0;
    case KEY_END:
      read_end(state, options, text);
      return 0;
    case KEY_TOKEN:
      options->has_token = true;
      options->token = read_token(state, text);
      return 0;
    case KEY_VERSION:
      puts("holdfast " HOLDFAST_VERSION);
      exit(CLI_YES);
    case KEY_HELP:
      if (cli->word_count == 0)
        command_help(stdout);
      exit(cli->word_count == 0 ? CLI_YES : command_help_noun(cli, cli->words[0]));
    case ARGP_KEY_ARG:
      keep_word(cli, text);
      return 0;
    default:
      if (key < '0' || key > '9')
        return ARGP_ERR_UNKNOWN;
      keep_word(cli, state->argv[state->next - 1]); /* a negative number, as it was written */
      return 0;
  }
}

static int run(struct cli *cli) {
  if (cli->word_count > 0 && strcmp(cli->words[0], "help") == 0)
    return command_help_noun(cli, cli->word_count > 1 ? cli->words[1] : "");
  int code = command_parse(cli);
  return code == CLI_YES ? command_execute(cli) : code;
}

/* Opens standard descriptors that are closed: a socket could get such a number, and output would be
 * written to it. Using these fails with EBADF, as for closed ones. */
static void fill_descriptors(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl(fd, F_GETFD) < 0)
      (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY); /* the lowest: fd */
}

int main(int argc, char **argv) {
  fill_descriptors();
  program_init_signals();
  terminal_init();
  struct cli cli = {.options = {.end = -1, .start = 1}};
  static const struct argp parser = {option_rows, take_option, NULL, NULL, NULL, NULL, NULL};
  argp_err_exit_status = CLI_USAGE;
  cli.words = cli_alloc(&cli, (size_t)argc * sizeof *cli.words);
  if (argp_parse(&parser, argc, argv, ARGP_IN_ORDER | ARGP_NO_HELP, NULL, &cli) != 0)
    return CLI_USAGE;
  int code = run(&cli);
  cli_deinit(&cli);
  if (fflush(stdout) != 0 || ferror(stdout)) {
    fprintf(stderr, "holdfast: the output could not be written: %s\n", strerror(errno));
    return CLI_FAILED;
  }
  return code;
}
