/* A list that ten processes append to, as with Python's multiprocessing:
 *
 *   def square(l, i): l.append(i * i)
 *
 *   with Manager() as manager:
 *       l = manager.list()
 *       processes = [Process(target=square, args=(l, i)) for i in range(10)]
 *       for p in processes: p.start()
 *       for p in processes: p.join()
 *       l.sort()
 *       print(l)
 *
 * No append is lost, whatever the order in which they arrive. The server is at $HOLDFAST_URL.
 */
#include <err.h>
#include <holdfast/holdfast.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESS_COUNT = 10 };

static void must(hf_status status) {
  if (status != HF_OK)
    errx(1, "%s", hf_last_error()->message);
}

static void append_square(hf_conn *conn, hf_list *squares, int64_t number) {
  must(hf_list_append(squares, hf_int(number * number)));
  hf_list_close(squares);
  hf_close(conn);
}

static void wait_for_children(void) {
  int wait_status;
  while (wait(&wait_status) > 0)
    if (wait_status != 0)
      errx(1, "a process failed");
}

static void print_list(hf_list *list) {
  hf_value *values;
  size_t count;
  must(hf_list_copy(list, &values, &count));
  for (size_t i = 0; i < count; i++)
    printf("%s%" PRId64, i == 0 ? "[" : ", ", values[i].integer);
  puts("]");
  hf_values_free(values, count);
}

int main(void) {
  hf_conn *conn;
  hf_list *squares;
  must(hf_connect(NULL, NULL, &conn));
  must(hf_list_open(conn, NULL, &squares));
  for (int64_t number = 0; number < PROCESS_COUNT; number++) {
    pid_t child = fork();
    if (child < 0)
      err(1, "fork");
    if (child == 0) {
      append_square(conn, squares, number);
      return 0;
    }
  }
  wait_for_children();
  must(hf_list_sort(squares, false)); /* on the server */
  print_list(squares);
  hf_list_close(squares);
  hf_close(conn);
  return 0;
}
