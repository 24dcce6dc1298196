/* A typed value and a typed array, changed by another process, as with Python's multiprocessing:
 *
 *   def change(n, a):
 *       n.value = 3.1415927
 *       for i in range(len(a)): a[i] *= a[i]
 *
 *   number = Value('d', 0.0)
 *   numbers = Array('i', range(10))
 *   p = Process(target=change, args=(number, numbers))
 *   p.start(); p.join()
 *   print(number.value)
 *   print(numbers[:])
 *
 * The server is at $HOLDFAST_URL.
 */
#include <err.h>
#include <holdfast/holdfast.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LENGTH = 10 };

static void must(hf_status status) {
  if (status != HF_OK)
    errx(1, "%s", hf_last_error()->message);
}

/* The array's own lock makes reading and writing each element one step for the others. */
static void square_elements(hf_array *numbers) {
  must(hf_array_lock(numbers, HF_FOREVER));
  for (int64_t i = 0; i < LENGTH; i++) {
    hf_value element;
    must(hf_array_get(numbers, i, &element));
    must(hf_array_set(numbers, i, hf_int(element.integer * element.integer)));
    hf_value_clear(&element);
  }
  must(hf_array_unlock(numbers));
}

static void change(hf_conn *conn, hf_cell *number, hf_array *numbers) {
  must(hf_cell_set(number, hf_float(3.1415927)));
  square_elements(numbers);
  hf_array_close(numbers);
  hf_cell_close(number);
  hf_close(conn);
}

static void print_results(hf_cell *number, hf_array *numbers) {
  double real;
  hf_value *elements;
  size_t count;
  must(hf_cell_get_float(number, &real));
  printf("%.8g\n", real);
  must(hf_array_get_slice(numbers, HF_SLICE_ALL, &elements, &count));
  for (size_t i = 0; i < count; i++)
    printf("%s%" PRId64, i == 0 ? "[" : ", ", elements[i].integer);
  puts("]");
  hf_values_free(elements, count);
}

int main(void) {
  hf_conn *conn;
  hf_cell *number;
  hf_array *numbers;
  hf_value range[LENGTH];
  for (int64_t i = 0; i < LENGTH; i++)
    range[i] = hf_int(i);
  must(hf_connect(NULL, NULL, &conn));
  must(hf_cell_open(conn, NULL, 'd', hf_float(0.0), &number));
  must(hf_array_open(conn, NULL, 'i', LENGTH, range, &numbers));

  pid_t child = fork();
  if (child < 0)
    err(1, "fork");
  if (child == 0) {
    change(conn, number, numbers);
    return 0;
  }
  int wait_status;
  if (waitpid(child, &wait_status, 0) != child || wait_status != 0)
    errx(1, "the process failed");
  print_results(number, numbers);
  hf_array_close(numbers);
  hf_cell_close(number);
  hf_close(conn);
  return 0;
}
