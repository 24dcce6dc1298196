/* From words to a handler: finding the row, parsing arguments, opening the object. See command.h.
 */
#include "client/cli/command.h"

#include "client/cli/value_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct noun nouns[] = {
    {"", "the server and its objects", server_commands},
    {"dict", "dicts: keys to values, in insertion order", dict_commands},
    {"list", "lists, with Python's indexes and slices", list_commands},
    {"queue", "queues: first in, first out", queue_commands},
    {"pipe", "pipes with two ends", pipe_commands},
    {"namespace", "namespaces: attributes by name", namespace_commands},
    {"value", "single typed numbers", value_commands},
    {"array", "arrays of typed numbers, of fixed length", array_commands},
    {"lock", "locks, owned while a program runs", lock_commands},
    {"semaphore", "semaphores, acquired while a program runs", semaphore_commands},
    {"event", "events: set or not, and waited for", event_commands},
    {"condition", "conditions; waited on by programs, not from here", condition_commands},
    {"barrier", "barriers, where a number of parties wait for each other", barrier_commands},
    {"key", "keys of users, for tls+tcp://; needs no server", key_commands},
};
#define NOUN_COUNT (sizeof nouns / sizeof nouns[0])

/* ------------------------------------------------------------------ help */

static const char help_text[] =
    "`holdfast help dict` explains dicts, `holdfast help` the first row. Options:\n"
    "  --url URL      tls+tcp://HOST:PORT, tcp://.., ipc:///PATH; else $HOLDFAST_URL\n"
    "  --key-file FILE, --ca-file, --cert-file, --private-key-file: of tls+tcp; else\n"
    "                 $HOLDFAST_{KEY,CA,CERT,PRIVATE_KEY}_FILE\n"
    "  -o FORMAT      table for people, json for programs, raw for shells: text bare\n"
    "  --timeout MS   how long to wait for an item, a lock, .. or else for the server\n"
    "  --nowait, --text: do not wait for them at all; values are text, never JSON\n"
    "  --version, --help; after -- nothing is an option\n"
    "HOLDFAST_LOG=connect says which way calls go; HOLDFAST_LOCAL=off: by sockets\n"
    "A VALUE that is JSON is that value: 5, 2.5, true, null, \"5\", [1,2] (a tuple),\n"
    "{\"bytes\":BASE64}; everything else is text: holdfast dict set ages Ann 41\n"
    "Exit: 0 yes, 1 no (missing, empty, locked, false), 2 usage, 3 no server, 4 else\n";

/* The columns of the help screen; two short rows share a line. */
#define SCREEN_COLUMNS 79
#define HALF_COLUMNS 39

/* How wide the noun's row is when it is not broken. */
static int row_columns(const struct noun *noun) {
  int columns = 2 + 9;
  for (const struct command *command = noun->commands; command->verb != NULL; command++)
    columns += 1 + (int)strlen(command->verb);
  return columns;
}

static void print_verbs(FILE *stream, const struct noun *noun) {
  int column = fprintf(stream, "  %-9s", noun->name);
  for (const struct command *command = noun->commands; command->verb != NULL; command++) {
    if (column + 1 + (int)strlen(command->verb) > SCREEN_COLUMNS)
      column = fprintf(stream, "\n%11s", "") - 1;
    column += fprintf(stream, " %s", command->verb);
  }
}

void command_help(FILE *stream) {
  fputs("Usage: holdfast [OPTIONS] COMMAND [NAME] [ARGUMENTS]\n", stream);
  for (size_t i = 0; i < NOUN_COUNT; i++) {
    print_verbs(stream, &nouns[i]);
    int columns = row_columns(&nouns[i]);
    if (i > 0 && i + 1 < NOUN_COUNT && columns <= HALF_COLUMNS &&
        row_columns(&nouns[i + 1]) <= HALF_COLUMNS) {
      fprintf(stream, "%*s", HALF_COLUMNS - columns, "");
      print_verbs(stream, &nouns[++i]);
    }
    fputc('\n', stream);
  }
  fputs(help_text, stream);
}

static void print_row(const struct noun *noun, const struct command *command) {
  char line[128];
  snprintf(line, sizeof line, "%s%s%s %s", noun->name, noun->name[0] == '\0' ? "" : " ",
           command->verb, command->usage);
  printf("  %-39s %s\n", line, command->help);
}

int command_help_noun(const struct cli *cli, const char *name) {
  for (size_t i = 0; i < NOUN_COUNT; i++) {
    if (strcmp(nouns[i].name, name) != 0)
      continue;
    printf("holdfast: %s\n", nouns[i].help);
    for (const struct command *command = nouns[i].commands; command->verb != NULL; command++)
      print_row(&nouns[i], command);
    return CLI_YES;
  }
  return cli_usage(cli, "there is nothing called %s; see holdfast --help", name);
}

/* ------------------------------------------------------------------ arguments */

static int parse_integer(const struct cli *cli, const char *text, int64_t *integer) {
  char *end;
  errno = 0;
  long long parsed = strtoll(text, &end, 10);
  if (text[0] == '\0' || *end != '\0' || errno != 0)
    return cli_usage(cli, "%s is not an integer", text);
  *integer = parsed;
  return CLI_YES;
}

/* START:STOP[:STEP], each of which may be empty. */
static int parse_slice(const struct cli *cli, const char *text, struct hf_slice *slice) {
  int64_t *const bounds[] = {&slice->start, &slice->stop, &slice->step};
  *slice = HF_SLICE_ALL;
  for (size_t i = 0; i < 3; i++) {
    size_t length = strcspn(text, ":");
    char part[32];
    if (length >= sizeof part)
      return cli_usage(cli, "%s is not a slice", text);
    memcpy(part, text, length);
    part[length] = '\0';
    if (length > 0 && parse_integer(cli, part, bounds[i]) != CLI_YES)
      return CLI_USAGE;
    text += length;
    if (*text == '\0')
      return CLI_YES;
    text++;
  }
  return cli_usage(cli, "a slice is START:STOP:STEP");
}

static int parse_argument(struct cli *cli, char letter, const char *text, struct cli_arg *arg) {
  arg->text = text;
  switch (letter) {
    case 'v':
      return value_json_parse_argument(cli, text, &arg->value);
    case 'i':
      return parse_integer(cli, text, &arg->integer);
    case 's':
      arg->is_slice = strchr(text, ':') != NULL;
      return arg->is_slice ? parse_slice(cli, text, &arg->slice)
                           : parse_integer(cli, text, &arg->integer);
    default:
      return CLI_YES;
  }
}

/* The letter for the idx-th argument, '\0' when there may be no more. */
static char shape_letter(const char *shape, size_t idx, bool *required) {
  char last = '\0';
  *required = true;
  for (; *shape != '\0'; shape++) {
    if (*shape == '?') {
      *required = false;
    } else if (*shape == '*') {
      *required = false;
      return last;
    } else {
      last = *shape;
      if (idx-- == 0)
        return last;
    }
  }
  *required = false;
  return '\0';
}

static int parse_arguments(struct cli *cli, const struct noun *noun, char **words, size_t count) {
  const struct command *command = cli->command;
  const char *gap = noun->name[0] == '\0' ? "" : " ";
  cli->args = cli_alloc(cli, (count + 1) * sizeof *cli->args);
  cli->arg_count = count;
  for (size_t i = 0; i < count; i++) {
    bool required;
    char letter = shape_letter(command->shape, i, &required);
    if (letter == '\0')
      return cli_usage(cli, "too many arguments; usage: holdfast %s%s%s %s", noun->name, gap,
                       command->verb, command->usage);
    int code = parse_argument(cli, letter, words[i], &cli->args[i]);
    if (code != CLI_YES)
      return code;
  }
  bool required;
  shape_letter(command->shape, count, &required);
  if (required)
    return cli_usage(cli, "an argument is missing; usage: holdfast %s%s%s %s", noun->name, gap,
                     command->verb, command->usage);
  return CLI_YES;
}

static const struct command *find_verb(const struct noun *noun, const char *verb) {
  for (const struct command *command = noun->commands; command->verb != NULL; command++)
    if (strcmp(command->verb, verb) == 0)
      return command;
  return NULL;
}

int command_parse(struct cli *cli) {
  const struct noun *noun = &nouns[0];
  size_t used = 0;
  if (cli->word_count == 0)
    return cli_usage(cli, "what shall be done? See holdfast --help");
  for (size_t i = 1; i < NOUN_COUNT; i++)
    if (strcmp(nouns[i].name, cli->words[0]) == 0) {
      noun = &nouns[i];
      used = 1;
    }
  if (used == cli->word_count)
    return cli_usage(cli, "what shall be done with the %s? See holdfast help %s", noun->name,
                     noun->name);
  cli->command = find_verb(noun, cli->words[used]);
  if (cli->command == NULL)
    return cli_usage(cli, "there is no command %s%s%s; see holdfast %s%s", noun->name,
                     used == 0 ? "" : " ", cli->words[used], used == 0 ? "--help" : "help ",
                     noun->name);
  used++;
  return parse_arguments(cli, noun, cli->words + used, cli->word_count - used);
}

/* ------------------------------------------------------------------ execution */

static hf_status create_object(struct cli *cli, const char *name, hf_object **object) {
  switch (cli->command->kind) {
    case HF_DICT:
      return hf_dict_open(cli->conn, name, (hf_dict **)object);
    case HF_LIST:
      return hf_list_open(cli->conn, name, (hf_list **)object);
    case HF_NAMESPACE:
      return hf_namespace_open(cli->conn, name, (hf_namespace **)object);
    case HF_EVENT:
      return hf_event_open(cli->conn, name, (hf_event **)object);
    default:
      return hf_open(cli->conn, name, cli->command->kind, object);
  }
}

static int run_on_object(struct cli *cli) {
  const struct command *command = cli->command;
  hf_object *object = NULL;
  hf_status status = HF_OK;
  if (command->open == OPEN_EXISTING)
    status = hf_open(cli->conn, cli->args[0].text, command->kind, &object);
  else if (command->open == OPEN_CREATING)
    status = create_object(cli, cli->args[0].text, &object);
  if (status != HF_OK)
    return cli_fail_on(cli, cli->args[0].text);
  int code = command->run(cli, object);
  hf_object_close(object);
  return code;
}

/* Long enough for a server that is busy, short enough when it was not started. */
#define CONNECT_TIMEOUT_MS 5000

int command_execute(struct cli *cli) {
  struct hf_options options = {.call_timeout_ms = CONNECT_TIMEOUT_MS,
                               .key_file = cli->options.key_file,
                               .ca_file = cli->options.ca_file,
                               .cert_file = cli->options.cert_file,
                               .private_key_file = cli->options.private_key_file};
  if (cli->command->open == OPEN_NO_SERVER)
    return cli->command->run(cli, NULL);
  if (cli->options.has_timeout && !cli->command->waits && cli->options.timeout_ms > 0)
    options.call_timeout_ms = cli->options.timeout_ms;
  if (hf_connect(cli->options.url, &options, &cli->conn) != HF_OK)
    return cli_fail(cli);
  int code = run_on_object(cli);
  hf_close(cli->conn);
  return code;
}
