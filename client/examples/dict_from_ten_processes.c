/* A dict shared by ten processes, as with Python's multiprocessing:
 *
 *   def square(d, i): d[i] = i * i
 *
 *   with Manager() as manager:
 *       d = manager.dict()
 *       processes = [Process(target=square, args=(d, i)) for i in range(10)]
 *       for p in processes: p.start()
 *       for p in processes: p.join()
 *       print(d)
 *
 * The processes are forked here, but any process on any host could open the dict by a name; this
 * one has none and goes when the last process that refers to it does. The server is at
 * $HOLDFAST_URL.
 */
#include <err.h>
#include <holdfast/holdfast.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESS_COUNT = 10 };

static void must(hf_status status) {
  if (status != HF_OK)
    errx(1, "%s", hf_last_error()->message);
}

/* Runs in a child: the connection and the handle of the parent work here too. */
static void set_square(hf_conn *conn, hf_dict *squares, int64_t number) {
  must(hf_dict_set(squares, hf_int(number), hf_int(number * number)));
  hf_dict_close(squares);
  hf_close(conn);
}

static void wait_for_children(void) {
  int wait_status;
  while (wait(&wait_status) > 0)
    if (wait_status != 0)
      errx(1, "a process failed");
}

static int by_key(const void *a, const void *b) {
  const struct hf_entry *first = a, *second = b;
  return (first->key.integer > second->key.integer) - (first->key.integer < second->key.integer);
}

static void print_dict(hf_dict *dict) {
  struct hf_entry *entries;
  size_t count;
  must(hf_dict_items(dict, &entries, &count));
  qsort(entries, count, sizeof *entries, by_key); /* they come in order of insertion */
  for (size_t i = 0; i < count; i++)
    printf("%s%" PRId64 ": %" PRId64, i == 0 ? "{" : ", ", entries[i].key.integer,
           entries[i].value.integer);
  puts("}");
  hf_entries_free(entries, count);
}

int main(void) {
  hf_conn *conn;
  hf_dict *squares;
  must(hf_connect(NULL, NULL, &conn));
  must(hf_dict_open(conn, NULL, &squares));
  for (int64_t number = 0; number < PROCESS_COUNT; number++) {
    pid_t child = fork();
    if (child < 0)
      err(1, "fork");
    if (child == 0) {
      set_square(conn, squares, number);
      return 0;
    }
  }
  wait_for_children();
  print_dict(squares);
  hf_dict_close(squares);
  hf_close(conn);
  return 0;
}
