/* A client of one Value for containers: adds to it, or owns its lock until it is killed.
 *
 *   cell_client add COUNT     adds 1 that often; says whether the memory was its own to use
 *   cell_client hold          takes the lock, says so, and stays
 *   cell_client next          takes the lock after its owner; prints whether the owner died
 *   cell_client count         adds to a RawValue, in memory, until the server is gone
 */
#include <err.h>
#include <holdfast/holdfast.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check(hf_status status) {
  if (status != HF_OK) {
    errx(1, "%s", hf_last_error()->message);
  }
}

static void add(hf_cell *cell, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    check(hf_cell_add_int(cell, 1, NULL));
  }
  printf("added %lld %s\n", (long long)count,
         hf_cell_data(cell) != NULL ? "in memory" : "at the server");
}

static void hold(hf_cell *cell) {
  check(hf_cell_lock(cell, HF_FOREVER));
  puts("held");
  fflush(stdout);
  pause();
}

static void take_next(hf_cell *cell) {
  struct hf_grant grant;
  check(hf_cell_lock_with(cell, 20000, &grant));
  printf("next, %s\n", grant.owner_died ? "the one before died" : "nobody died");
  check(hf_cell_unlock(cell));
}

static void count_on(hf_conn *conn) {
  hf_cell *raw;
  check(hf_raw_cell_open(conn, "raw", 'q', hf_int(0), &raw));
  if (hf_cell_data(raw) == NULL) {
    errx(1, "the RawValue is not in memory");
  }
  puts("counting");
  fflush(stdout);
  while (hf_cell_add_int(raw, 1, NULL) == HF_OK) {
  }
  printf("stopped: %s\n", hf_last_error()->reason);
  hf_cell_close(raw);
}

int main(int argc, char **argv) {
  hf_conn *conn;
  hf_cell *cell;
  const char *what = argc > 1 ? argv[1] : "";
  const struct hf_options options = {.call_timeout_ms = 5000};
  check(hf_connect(NULL, &options, &conn));
  check(hf_cell_open(conn, "cell", 'q', hf_int(0), &cell));
  if (strcmp(what, "add") == 0 && argc == 3) {
    add(cell, atoll(argv[2]));
  } else if (strcmp(what, "hold") == 0) {
    hold(cell);
  } else if (strcmp(what, "next") == 0) {
    take_next(cell);
  } else if (strcmp(what, "count") == 0) {
    count_on(conn);
  } else {
    errx(2, "add COUNT, hold, next, or count");
  }
  hf_cell_close(cell);
  hf_close(conn);
}
