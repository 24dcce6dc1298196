/* Two threads that take the locks "left" and "right" crosswise, and wait for each other until the
 * program is killed. For what the command shows of that. */
#include <err.h>
#include <holdfast/holdfast.h>
#include <pthread.h>
#include <stdlib.h>

static pthread_barrier_t between;

struct taker {
  hf_lock *first, *second;
};

static void must(hf_status status) {
  if (status != HF_OK)
    errx(EXIT_FAILURE, "%s", hf_last_error()->message);
}

static void *take_both(void *argument) {
  struct taker *taker = argument;
  must(hf_lock_acquire(taker->first, 0, NULL));
  pthread_barrier_wait(&between);
  must(hf_lock_acquire(taker->second, HF_FOREVER, NULL));
  return NULL;
}

int main(void) {
  const struct hf_options options = {.client = "circle", .grace_ms = 100};
  hf_conn *conn;
  struct taker one, other;
  pthread_t thread;
  must(hf_connect(NULL, &options, &conn));
  must(hf_lock_open(conn, "left", &one.first));
  must(hf_lock_open(conn, "right", &one.second));
  other = (struct taker){one.second, one.first};
  pthread_barrier_init(&between, NULL, 2);
  if (pthread_create(&thread, NULL, take_both, &other) != 0)
    errx(EXIT_FAILURE, "no thread");
  take_both(&one);
  return EXIT_FAILURE;
}
