/* One run of the `holdfast` command: its options, its arguments, its exit codes.
 *
 * layer    client/cli, on the public API only
 * threads  one, but for `lock run`, `semaphore run` and `queue work`
 * memory   everything parsed from the command line lives until cli_deinit
 */
#ifndef HF_CLI_CLI_H
#define HF_CLI_CLI_H

#include <holdfast/holdfast.h>
#include <jansson.h>

/* Exit codes for scripts, listed by `holdfast --help`. */
enum cli_exit {
  CLI_YES = 0,
  CLI_NO = 1, /* a missing key, an empty queue, a lock owned by others, a broken barrier, false */
  CLI_USAGE = 2,
  CLI_NO_SERVER = 3, /* unreachable, or the session ended */
  CLI_FAILED = 4,
};

enum cli_format { CLI_TABLE, CLI_JSON, CLI_RAW };

/* A positional argument, parsed as its command's row asks. */
struct cli_arg {
  const char *text;
  hf_value value;
  int64_t integer;
  struct hf_slice slice;
  bool is_slice; /* START:STOP[:STEP] instead of an index */
};

struct cli_options {
  const char *url;
  const char *key_file, *ca_file, *cert_file, *private_key_file;
  enum cli_format format;
  bool has_timeout;
  int64_t timeout_ms;
  int64_t maxsize;
  bool has_maxsize;
  hf_kind kind; /* ls */
  int end;      /* pipe; -1: the verb's own */
  uint64_t token;
  bool has_token;
  uint64_t start;   /* semaphore; 1 unless given, as in Python */
  uint64_t parties; /* barrier; 0: not given */
  int64_t priority; /* queue put */
  uint64_t delay_ms;
  bool has_delay;
  uint64_t lease_ms; /* queue work, lock run; 0: none */
  uint64_t max;      /* queue get: how many at most; 0: not given */
  uint64_t count;    /* queue work: how many items; 0: no limit */
  bool bury, immediate, refuse_deadlock;
  bool bounded;
  bool text, raw_object, is_volatile, reverse, one_way, missing, delete_it;
  bool wait; /* snapshot */
};

struct cli_block;

struct cli {
  struct cli_options options;
  const struct command *command;
  char **words; /* noun, verb, arguments; borrowed from argv */
  size_t word_count;
  struct cli_arg *args; /* after noun and verb */
  size_t arg_count;
  hf_conn *conn;
  struct cli_block *blocks; /* memory freed by cli_deinit */
};

/* Zeroed memory that lives until cli_deinit; ends the process when out of memory. */
void *cli_alloc(struct cli *cli, size_t size_bytes);
void cli_deinit(struct cli *cli);

/* The timeout of a waiting call: --timeout, --nowait, else without limit. */
int64_t cli_wait_ms(const struct cli *cli);

/* Reports hf_last_error(); returns its exit code. */
int cli_fail(const struct cli *cli);
/* The same of opening or deleting the object of that name, which the message says. */
int cli_fail_on(const struct cli *cli, const char *name);
/* The same for an error found here. */
int cli_fail_with(const struct cli *cli, hf_status status, const char *reason, const char *message);
/* A mistake on the command line: CLI_USAGE. */
int cli_usage(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
