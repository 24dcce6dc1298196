/* Squares the numbers on the queue "work" into the dict "results", as worker.c does, on an epoll
 * loop with IN_FLIGHT calls in flight.
 *
 *   a job:  GETTING a number -> STORING its square -> FINISHING the task -> GETTING the next
 *
 * Something that is not a number stops the program: the calls that wait for more are cancelled,
 * jobs that have a number are finished first.
 */
#include <err.h>
#include <errno.h>
#include <holdfast/holdfast.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define IN_FLIGHT 1000

enum step { GETTING, STORING, FINISHING, IDLE };

struct job {
  enum step step;
  uint64_t call; /* in flight */
  hf_value number;
};

struct worker {
  hf_async *async;
  hf_queue *work;
  hf_dict *results;
  struct job jobs[IN_FLIGHT];
  unsigned busy; /* jobs that are not IDLE */
  bool is_stopping;
};

static void expect(hf_status status) {
  if (status != HF_OK)
    errx(1, "%s", hf_last_error()->message);
}

/* ---------------------------------------------------------------- a job's next call */

static hf_status submit(struct worker *worker, struct job *job) {
  switch (job->step) {
    case GETTING:
      return hf_queue_get(worker->work, HF_FOREVER, &job->number);
    case STORING:
      return hf_dict_set(worker->results, job->number,
                         hf_int(job->number.integer * job->number.integer));
    default:
      return hf_queue_task_done(worker->work);
  }
}

static void go_on(struct worker *worker, struct job *job, enum step step) {
  job->step = step;
  expect(hf_async_begin(worker->async, job));
  expect(submit(worker, job));
  job->call = hf_async_last_id(worker->async);
}

static void rest(struct worker *worker, struct job *job) {
  job->step = IDLE;
  worker->busy--;
}

static void stop(struct worker *worker) {
  worker->is_stopping = true;
  for (size_t i = 0; i < IN_FLIGHT; i++)
    if (worker->jobs[i].step == GETTING)
      hf_async_cancel(worker->async, worker->jobs[i].call);
}

/* ---------------------------------------------------------------- what came back */

static void take_number(struct worker *worker, struct job *job, hf_status status) {
  if (status == HF_CANCELLED) {
    rest(worker, job);
  } else if (job->number.type == HF_TYPE_INT) {
    go_on(worker, job, STORING);
  } else {
    hf_value_clear(&job->number);
    stop(worker);
    go_on(worker, job, FINISHING);
  }
}

static void take(struct worker *worker, const struct hf_completion *done) {
  struct job *job = done->data;
  if (done->status != HF_OK && done->status != HF_CANCELLED)
    errx(1, "%s", done->message);
  switch (job->step) {
    case GETTING:
      take_number(worker, job, done->status);
      break;
    case STORING:
      go_on(worker, job, FINISHING);
      break;
    default:
      if (worker->is_stopping)
        rest(worker, job);
      else
        go_on(worker, job, GETTING);
  }
}

static void collect(struct worker *worker) {
  struct hf_completion done = {0};
  while (hf_async_collect(worker->async, &done))
    take(worker, &done);
  hf_async_end(worker->async); /* all that was submitted goes in one piece */
}

/* ---------------------------------------------------------------- the loop */

static void run(struct worker *worker) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, hf_async_descriptor(worker->async), &event) != 0)
    err(1, "epoll");
  for (size_t i = 0; i < IN_FLIGHT; i++, worker->busy++)
    go_on(worker, &worker->jobs[i], GETTING);
  hf_async_end(worker->async);
  while (worker->busy > 0) {
    if (epoll_wait(epoll, &event, 1, -1) < 0 && errno != EINTR)
      err(1, "epoll");
    collect(worker);
  }
}

int main(void) {
  hf_conn *conn;
  struct worker *worker = calloc(1, sizeof *worker);
  if (worker == NULL)
    err(1, "worker");
  expect(hf_connect(NULL, NULL, &conn));
  expect(hf_queue_open(conn, "work", 0, &worker->work));
  expect(hf_dict_open(conn, "results", &worker->results));
  expect(hf_async_open(conn, &worker->async));
  run(worker);
  hf_async_close(worker->async);
  hf_dict_close(worker->results);
  hf_queue_close(worker->work);
  hf_close(conn);
  free(worker);
}
