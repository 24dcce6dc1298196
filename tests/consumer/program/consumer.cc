// The header in C++: macros, inline functions and the examples of its comments, strictly.
#include <holdfast/holdfast.h>
#include <holdfast/numbers.h>

#include <cstdio>

static int report(const char *what) {
  std::fprintf(stderr, "%s: %s\n", what, hf_last_error()->message);
  return 1;
}

// As in the comment of hf_transaction_begin.
static hf_status move_ten(hf_conn *conn, hf_dict *accounts) {
  hf_status made = hf_transaction_begin(conn);
  if (made == HF_OK) made = hf_dict_add(accounts, hf_text("a"), hf_int(-10), NULL);
  if (made == HF_OK) made = hf_dict_add(accounts, hf_text("b"), hf_int(10), NULL);
  hf_status status = hf_transaction_commit(conn, 0, NULL);
  return made != HF_OK ? made : status;
}

// As in the comment of hf_pipeline_begin.
static hf_status read_both(hf_conn *conn, hf_dict *accounts, hf_value values[2]) {
  const char *const names[] = {"a", "b"};
  hf_pipeline_result result;
  hf_status made = hf_pipeline_begin(conn, 64);
  for (int i = 0; made == HF_OK && i < 2; i++) {
    made = hf_dict_get(accounts, hf_text(names[i]), &values[i]);
  }
  hf_status status = hf_pipeline_end(conn, &result);
  return made != HF_OK ? made : status;
}

int main(int, char **argv) {
  hf_conn *conn = NULL;
  hf_dict *accounts = NULL;
  hf_list *list = NULL;
  hf_value values[2], *items = NULL;
  size_t count = 0;
  if (hf_connect(argv[1], NULL, &conn) != HF_OK) return report("connect");
  if (hf_dict_open(conn, NULL, &accounts) != HF_OK || move_ten(conn, accounts) != HF_OK ||
      read_both(conn, accounts, values) != HF_OK) {
    return report("dict");
  }
  if (hf_list_open(conn, NULL, &list) != HF_OK || hf_list_append(list, values[1]) != HF_OK ||
      hf_list_get_slice(list, HF_SLICE_ALL, &items, &count) != HF_OK) {
    return report("list");
  }
  std::printf("%lld %lld %lld of %zu\n", static_cast<long long>(values[0].integer),
              static_cast<long long>(values[1].integer), static_cast<long long>(items[0].integer), count);
  hf_values_free(items, count);
  hf_list_close(list);
  hf_dict_close(accounts);
  hf_close(conn);
  return 0;
}
