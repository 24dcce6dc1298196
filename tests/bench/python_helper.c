/* For python.py: the same calls from C.
 *
 * usage: bench_python_helper URL
 * Reads lines and answers each with a number:
 *   get SECONDS       hf_dict_get, one at a time, a second
 *   pipeline SECONDS  the same in pipelines of a thousand
 *   write COUNT       writes that many doubles, i * 0.5, into the array "bench.doubles"
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <holdfast/holdfast.h>

#define KEYS 1000
#define KEY_BYTES 24

static char keys[KEYS][KEY_BYTES];

static void check(hf_status status) {
  if (status != HF_OK) {
    errx(1, "%s", hf_last_error()->message);
  }
}

static double now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static hf_dict *open_dict(hf_conn *conn) {
  hf_dict *dict;
  check(hf_dict_open(conn, NULL, &dict));
  for (int i = 0; i < KEYS; i++) {
    snprintf(keys[i], sizeof keys[i], "key:%012d", i);
    check(hf_dict_set(dict, hf_text(keys[i]), hf_int(12345)));
  }
  return dict;
}

static void get_each(hf_dict *dict) {
  for (int i = 0; i < KEYS; i++) {
    hf_value value;
    check(hf_dict_get(dict, hf_text(keys[i]), &value));
    hf_value_clear(&value);
  }
}

static void get_all(hf_conn *conn, hf_dict *dict) {
  static hf_value values[KEYS];
  check(hf_pipeline_begin(conn, 0));
  for (int i = 0; i < KEYS; i++) {
    check(hf_dict_get(dict, hf_text(keys[i]), &values[i]));
  }
  check(hf_pipeline_end(conn, NULL));
  for (int i = 0; i < KEYS; i++) {
    hf_value_clear(&values[i]);
  }
}

static double measure(hf_conn *conn, bool is_pipelined, double seconds) {
  hf_dict *dict = open_dict(conn);
  double began = now_s(), now = began;
  double count = 0;
  while (now < began + seconds) {
    if (is_pipelined) {
      get_all(conn, dict);
    } else {
      get_each(dict);
    }
    now = now_s();
    count += KEYS;
  }
  hf_dict_close(dict);
  return count / (now - began);
}

static double write_doubles(hf_conn *conn, size_t count) {
  double *numbers = malloc(count * sizeof *numbers);
  hf_array *array;
  if (numbers == NULL) {
    err(1, "malloc");
  }
  for (size_t i = 0; i < count; i++) {
    numbers[i] = (double)i * 0.5;
  }
  check(hf_array_open(conn, "bench.doubles", 'd', count, NULL, &array));
  check(hf_array_write(array, 0, count, numbers));
  hf_array_close(array);
  free(numbers);
  return (double)count;
}

static double answer(hf_conn *conn, const char *word, double number) {
  if (strcmp(word, "get") == 0) {
    return measure(conn, false, number);
  }
  if (strcmp(word, "pipeline") == 0) {
    return measure(conn, true, number);
  }
  return write_doubles(conn, (size_t)number);
}

int main(int argc, char **argv) {
  char line[64], word[16], *number;
  hf_conn *conn;
  if (argc != 2) {
    errx(2, "usage: bench_python_helper URL");
  }
  check(hf_connect(argv[1], NULL, &conn));
  while (fgets(line, sizeof line, stdin) != NULL) {
    size_t length = strcspn(line, " ");
    snprintf(word, sizeof word, "%.*s", (int)length, line);
    number = line + length;
    printf("%.3f\n", answer(conn, word, strtod(number, NULL)));
    fflush(stdout);
  }
  hf_close(conn);
  return 0;
}
