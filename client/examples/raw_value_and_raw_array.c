/* A value and an array without locks of their own, and a lock around both, as with Python's
 * multiprocessing:
 *
 *   def change(n, a, lock):
 *       for _ in range(2500):
 *           with lock: n.value += 1
 *       with lock:
 *           if a[1] == 2:
 *               for i in range(len(a)): a[i] *= a[i]
 *
 *   number = RawValue('i', 0)
 *   numbers = RawArray('i', [1, 2, 3, 4, 5])
 *   processes = [Process(target=change, args=(number, numbers, Lock())) for _ in range(4)]
 *
 * Without the lock, increments of several processes would overwrite each other. (hf_cell_add is one
 * atomic step and needs none.) The server is at $HOLDFAST_URL.
 */
#include <err.h>
#include <holdfast/holdfast.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESS_COUNT = 4, INCREMENTS = 2500, LENGTH = 5 };

struct shared {
  hf_conn *conn;
  hf_cell *number;
  hf_array *numbers;
  hf_lock *lock;
};

static void must(hf_status status) {
  if (status != HF_OK)
    errx(1, "%s", hf_last_error()->message);
}

static void open_shared(struct shared *shared) {
  const hf_value initial[LENGTH] = {hf_int(1), hf_int(2), hf_int(3), hf_int(4), hf_int(5)};
  must(hf_connect(NULL, NULL, &shared->conn));
  must(hf_raw_cell_open(shared->conn, NULL, 'i', hf_int(0), &shared->number));
  must(hf_raw_array_open(shared->conn, NULL, 'i', LENGTH, initial, &shared->numbers));
  must(hf_lock_open(shared->conn, NULL, &shared->lock));
}

static void close_shared(struct shared *shared) {
  hf_lock_close(shared->lock);
  hf_array_close(shared->numbers);
  hf_cell_close(shared->number);
  hf_close(shared->conn);
}

static void increment(const struct shared *shared) {
  int64_t number;
  must(hf_lock_acquire(shared->lock, HF_FOREVER, NULL));
  must(hf_cell_get_int(shared->number, &number));
  must(hf_cell_set(shared->number, hf_int(number + 1)));
  must(hf_lock_release(shared->lock));
}

/* The first process squares the elements; the others see that it is done. */
static void square_once(const struct shared *shared) {
  hf_value *elements;
  size_t count;
  must(hf_lock_acquire(shared->lock, HF_FOREVER, NULL));
  must(hf_array_get_slice(shared->numbers, HF_SLICE_ALL, &elements, &count));
  if (elements[1].integer == 2)
    for (size_t i = 0; i < count; i++)
      must(hf_array_set(shared->numbers, (int64_t)i,
                        hf_int(elements[i].integer * elements[i].integer)));
  must(hf_lock_release(shared->lock));
  hf_values_free(elements, count);
}

static void print_results(const struct shared *shared) {
  int64_t number;
  hf_value *elements;
  size_t count;
  must(hf_cell_get_int(shared->number, &number));
  printf("Shared value: %" PRId64 "\n", number);
  must(hf_array_get_slice(shared->numbers, HF_SLICE_ALL, &elements, &count));
  for (size_t i = 0; i < count; i++)
    printf("%s%" PRId64, i == 0 ? "Shared array: [" : ", ", elements[i].integer);
  puts("]");
  hf_values_free(elements, count);
}

int main(void) {
  struct shared shared;
  open_shared(&shared);
  for (int i = 0; i < PROCESS_COUNT; i++) {
    pid_t child = fork();
    if (child < 0)
      err(1, "fork");
    if (child == 0) {
      for (int j = 0; j < INCREMENTS; j++)
        increment(&shared);
      square_once(&shared);
      close_shared(&shared);
      return 0;
    }
  }
  int wait_status;
  while (wait(&wait_status) > 0)
    if (wait_status != 0)
      errx(1, "a process failed");
  print_results(&shared);
  close_shared(&shared);
  return 0;
}
