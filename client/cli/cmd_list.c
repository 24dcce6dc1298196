/* holdfast list ... */
#include "client/cli/answer.h"
#include "client/cli/command.h"

#define LIST(object) ((hf_list *)(object))

static int get(struct cli *cli, hf_object *object) {
  hf_value value;
  return answer_value(cli, hf_list_get(LIST(object), cli->args[1].integer, &value), &value);
}

/* A slice takes the items of a tuple, as a[1:3] = [7, 8] does. */
static int set(struct cli *cli, hf_object *object) {
  const struct cli_arg *position = &cli->args[1];
  const hf_value *value = &cli->args[2].value;
  if (!position->is_slice)
    return answer_done(cli, hf_list_set(LIST(object), position->integer, *value));
  if (value->type != HF_TYPE_TUPLE)
    return cli_usage(cli, "a slice is set to several values: [V, ..]");
  return answer_done(cli,
                     hf_list_set_slice(LIST(object), position->slice, value->items, value->size));
}

static int delete_at(struct cli *cli, hf_object *object) {
  const struct cli_arg *position = &cli->args[1];
  return answer_done(cli, position->is_slice ? hf_list_delete_slice(LIST(object), position->slice)
                                             : hf_list_delete(LIST(object), position->integer));
}

static int append(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_list_append(LIST(object), cli->args[1].value));
}

static int extend(struct cli *cli, hf_object *object) {
  size_t count;
  const hf_value *values = answer_rest(cli, 1, &count);
  return answer_done(cli, hf_list_extend(LIST(object), values, count));
}

static int insert(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_list_insert(LIST(object), cli->args[1].integer, cli->args[2].value));
}

static int pop(struct cli *cli, hf_object *object) {
  hf_value value;
  int64_t index = cli->arg_count > 1 ? cli->args[1].integer : HF_OMITTED;
  return answer_value(cli, hf_list_pop(LIST(object), index, &value), &value);
}

static int remove_value(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_list_remove(LIST(object), cli->args[1].value));
}

static int find_index(struct cli *cli, hf_object *object) {
  uint64_t index;
  int64_t start = cli->arg_count > 2 ? cli->args[2].integer : HF_OMITTED;
  int64_t stop = cli->arg_count > 3 ? cli->args[3].integer : HF_OMITTED;
  hf_status status = hf_list_index(LIST(object), cli->args[1].value, start, stop, &index);
  return answer_count(cli, status, "index", &index);
}

static int count_value(struct cli *cli, hf_object *object) {
  uint64_t count;
  hf_status status = hf_list_count(LIST(object), cli->args[1].value, &count);
  return answer_count(cli, status, "count", &count);
}

static int contains(struct cli *cli, hf_object *object) {
  bool found;
  hf_status status = hf_list_contains(LIST(object), cli->args[1].value, &found);
  return answer_bool(cli, status, "contains", &found);
}

static int len(struct cli *cli, hf_object *object) {
  uint64_t length;
  return answer_count(cli, hf_list_len(LIST(object), &length), "len", &length);
}

static int reverse(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_list_reverse(LIST(object)));
}

static int sort(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_list_sort(LIST(object), cli->options.reverse));
}

static int slice(struct cli *cli, hf_object *object) {
  hf_value *values = NULL;
  size_t count = 0;
  struct hf_slice bounds = cli->arg_count > 1 ? cli->args[1].slice : HF_SLICE_ALL;
  if (cli->arg_count > 1 && !cli->args[1].is_slice)
    return cli_usage(cli, "a slice is START:STOP:STEP");
  hf_status status = hf_list_get_slice(LIST(object), bounds, &values, &count);
  return answer_values(cli, status, "value", values, count);
}

static int clear(struct cli *cli, hf_object *object) {
  return answer_done(cli, hf_list_clear(LIST(object)));
}

static int add(struct cli *cli, hf_object *object) {
  hf_value sum;
  hf_value amount = cli->arg_count > 2 ? cli->args[2].value : hf_int(1);
  hf_status status = hf_list_add(LIST(object), cli->args[1].integer, amount, &sum);
  return answer_value(cli, status, &sum);
}

static int compare_and_set(struct cli *cli, hf_object *object) {
  bool swapped;
  hf_value found;
  const struct cli_arg *args = cli->args;
  if (hf_list_compare_and_set(LIST(object), args[1].integer, args[2].value, args[3].value, &swapped,
                              &found) != HF_OK)
    return cli_fail(cli);
  return output_exchange(cli, swapped, &found);
}

const struct command list_commands[] = {
    {"get", "ni", "NAME INDEX", OPEN_EXISTING, HF_LIST, false, get, "one item; -1 is the last"},
    {"set", "nsv", "NAME INDEX|SLICE VALUE", OPEN_EXISTING, HF_LIST, false, set,
     "replaces; a slice takes [V, ..]"},
    {"del", "ns", "NAME INDEX|SLICE", OPEN_EXISTING, HF_LIST, false, delete_at, "removes"},
    {"append", "nv", "NAME VALUE", OPEN_CREATING, HF_LIST, false, append, "adds at the end"},
    {"extend", "nv*", "NAME VALUE..", OPEN_CREATING, HF_LIST, false, extend, "adds several"},
    {"insert", "niv", "NAME INDEX VALUE", OPEN_CREATING, HF_LIST, false, insert,
     "adds before the index"},
    {"pop", "n?i", "NAME [INDEX]", OPEN_EXISTING, HF_LIST, false, pop,
     "removes and prints; the last one"},
    {"remove", "nv", "NAME VALUE", OPEN_EXISTING, HF_LIST, false, remove_value,
     "removes the first that is equal"},
    {"index", "nv?ii", "NAME VALUE [START [STOP]]", OPEN_EXISTING, HF_LIST, false, find_index,
     "where the value is"},
    {"count", "nv", "NAME VALUE", OPEN_EXISTING, HF_LIST, false, count_value, "how often it is in"},
    {"contains", "nv", "NAME VALUE", OPEN_EXISTING, HF_LIST, false, contains, "is it in?"},
    {"len", "n", "NAME", OPEN_EXISTING, HF_LIST, false, len, "how many items"},
    {"reverse", "n", "NAME", OPEN_EXISTING, HF_LIST, false, reverse, "in place"},
    {"sort", "n", "NAME", OPEN_EXISTING, HF_LIST, false, sort, "in place; --reverse"},
    {"slice", "n?s", "NAME [START:STOP:STEP]", OPEN_EXISTING, HF_LIST, false, slice,
     "several items, as in Python"},
    {"clear", "n", "NAME", OPEN_EXISTING, HF_LIST, false, clear, "removes all items"},
    {"add", "ni?v", "NAME INDEX [AMOUNT]", OPEN_EXISTING, HF_LIST, false, add,
     "adds (1), prints the sum; atomic"},
    {"cas", "nivv", "NAME INDEX EXPECTED DESIRED", OPEN_EXISTING, HF_LIST, false, compare_and_set,
     "compare and set"},
    {0},
};
