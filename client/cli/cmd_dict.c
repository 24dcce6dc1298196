/* holdfast dict ... */
#include "client/cli/answer.h"
#include "client/cli/command.h"

#define DICT(object) ((hf_dict *)(object))

static int get(struct cli *cli, hf_object *object) {
  hf_value value;
  return answer_value(cli, hf_dict_get(DICT(object), cli->args[1].value, &value), &value);
}

static int set(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_dict_set(DICT(object), cli->args[1].value, cli->args[2].value));
}

static int delete_key(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_dict_delete(DICT(object), cli->args[1].value));
}

static int contains(struct cli *cli, hf_object *object) {
  bool found;
  hf_status status = hf_dict_contains(DICT(object), cli->args[1].value, &found);
  return answer_bool(cli, status, "contains", &found);
}

static int len(struct cli *cli, hf_object *object) {
  uint64_t length;
  return answer_count(cli, hf_dict_len(DICT(object), &length), "len", &length);
}

static int keys(struct cli *cli, hf_object *object) {
  hf_value *found = NULL;
  size_t count = 0;
  hf_status status = hf_dict_keys(DICT(object), &found, &count);
  return answer_values(cli, status, "key", found, count);
}

static int values(struct cli *cli, hf_object *object) {
  hf_value *found = NULL;
  size_t count = 0;
  hf_status status = hf_dict_values(DICT(object), &found, &count);
  return answer_values(cli, status, "value", found, count);
}

static int items(struct cli *cli, hf_object *object) {
  struct hf_entry *entries;
  size_t count;
  if (hf_dict_items(DICT(object), &entries, &count) != HF_OK)
    return cli_fail(cli);
  int code = output_entries(cli, entries, count);
  hf_entries_free(entries, count);
  return code;
}

static int clear(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_dict_clear(DICT(object)));
}

static int pop(struct cli *cli, hf_object *object) {
  hf_value value;
  const hf_value *fallback = cli->arg_count > 2 ? &cli->args[2].value : NULL;
  return answer_value(cli, hf_dict_pop(DICT(object), cli->args[1].value, fallback, &value), &value);
}

static int popitem(struct cli *cli, hf_object *object) {
  struct hf_entry entry;
  if (hf_dict_popitem(DICT(object), &entry) != HF_OK)
    return cli_fail(cli);
  int code = output_entry_line(cli, &entry);
  hf_value_clear(&entry.key);
  hf_value_clear(&entry.value);
  return code;
}

static int setdefault(struct cli *cli, hf_object *object) {
  hf_value value;
  hf_status status =
      hf_dict_setdefault(DICT(object), cli->args[1].value, cli->args[2].value, &value);
  return answer_value(cli, status, &value);
}

static int update(struct cli *cli, hf_object *object) {
  size_t count = (cli->arg_count - 1) / 2;
  if (cli->arg_count % 2 == 0)
    return cli_usage(cli, "the last KEY has no VALUE");
  struct hf_entry *entries = cli_alloc(cli, count * sizeof *entries);
  for (size_t i = 0; i < count; i++)
    entries[i] = (struct hf_entry){cli->args[1 + 2 * i].value, cli->args[2 + 2 * i].value};
  return answer_done(cli, hf_dict_update(DICT(object), entries, count));
}

static int add(struct cli *cli, hf_object *object) {
  hf_value sum;
  hf_value amount = cli->arg_count > 2 ? cli->args[2].value : hf_int(1);
  return answer_value(cli, hf_dict_add(DICT(object), cli->args[1].value, amount, &sum), &sum);
}

/* NAME KEY [EXPECTED] [DESIRED]: --missing stands for the first, --delete for the second. */
static int compare_and_set(struct cli *cli, hf_object *object) {
  const hf_value *expected = NULL, *desired = NULL;
  size_t next = 2;
  size_t wanted = 4 - (size_t)cli->options.missing - (size_t)cli->options.delete_it;
  if (cli->arg_count != wanted)
    return cli_usage(cli,
                     "cas takes NAME KEY EXPECTED DESIRED; --missing replaces EXPECTED, "
                     "--delete replaces DESIRED");
  if (!cli->options.missing)
    expected = &cli->args[next++].value;
  if (!cli->options.delete_it)
    desired = &cli->args[next].value;
  bool swapped;
  hf_value found;
  if (hf_dict_compare_and_set(DICT(object), cli->args[1].value, expected, desired, &swapped,
                              &found) != HF_OK)
    return cli_fail(cli);
  return output_exchange(cli, swapped, &found);
}

static int replace(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_dict_replace(DICT(object), cli->args[1].value, cli->args[2].value));
}

static int wait_changed(struct cli *cli, hf_object *object) {
  hf_value value;
  const hf_value *known = cli->arg_count > 2 ? &cli->args[2].value : NULL;
  hf_status status =
      hf_dict_wait(DICT(object), cli->args[1].value, known, cli_wait_ms(cli), &value);
  return answer_value(cli, status, &value);
}

static int scan(struct cli *cli, hf_object *object) {
  struct hf_dict_scan scan_state = {0};
  const struct hf_entry *entry;
  for (;;) {
    if (hf_dict_next(DICT(object), &scan_state, &entry) != HF_OK) {
      hf_dict_scan_stop(&scan_state);
      return cli_fail(cli);
    }
    if (entry == NULL)
      return CLI_YES;
    output_entry_line(cli, entry);
  }
}

const struct command dict_commands[] = {
    {"get", "nv", "NAME KEY", OPEN_EXISTING, HF_DICT, false, get, "the key's value"},
    {"set", "nvv", "NAME KEY VALUE", OPEN_CREATING, HF_DICT, false, set, "sets a key"},
    {"del", "nv", "NAME KEY", OPEN_EXISTING, HF_DICT, false, delete_key, "removes a key"},
    {"contains", "nv", "NAME KEY", OPEN_EXISTING, HF_DICT, false, contains, "is the key there?"},
    {"len", "n", "NAME", OPEN_EXISTING, HF_DICT, false, len, "how many entries"},
    {"keys", "n", "NAME", OPEN_EXISTING, HF_DICT, false, keys, "in insertion order"},
    {"values", "n", "NAME", OPEN_EXISTING, HF_DICT, false, values, "in insertion order"},
    {"items", "n", "NAME", OPEN_EXISTING, HF_DICT, false, items, "a consistent copy"},
    {"clear", "n", "NAME", OPEN_EXISTING, HF_DICT, false, clear, "removes all keys"},
    {"pop", "nv?v", "NAME KEY [DEFAULT]", OPEN_EXISTING, HF_DICT, false, pop,
     "removes a key, prints its value"},
    {"popitem", "n", "NAME", OPEN_EXISTING, HF_DICT, false, popitem, "removes the last entry"},
    {"setdefault", "nvv", "NAME KEY VALUE", OPEN_CREATING, HF_DICT, false, setdefault,
     "the value, set first if missing"},
    {"update", "nvv*", "NAME KEY VALUE [KEY VALUE]..", OPEN_CREATING, HF_DICT, false, update,
     "sets several keys"},
    {"add", "nv?v", "NAME KEY [AMOUNT]", OPEN_CREATING, HF_DICT, false, add,
     "adds (1), prints the sum; atomic"},
    {"cas", "nv?vv", "NAME KEY EXPECTED DESIRED", OPEN_CREATING, HF_DICT, false, compare_and_set,
     "compare and set; --missing, --delete"},
    {"replace", "nvv", "NAME KEY VALUE", OPEN_EXISTING, HF_DICT, false, replace,
     "sets a key only if it is there"},
    {"scan", "n", "NAME", OPEN_EXISTING, HF_DICT, false, scan, "entries by pages, one per line"},
    {"wait", "nv?v", "NAME KEY [KNOWN]", OPEN_CREATING, HF_DICT, true, wait_changed,
     "until it is there, or not KNOWN; --timeout"},
    {0},
};
