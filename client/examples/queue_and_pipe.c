/* A queue filled by three processes and a pipe to a fourth, as with Python's multiprocessing:
 *
 *   def greet(q, i): q.put(f'hello {i} times')
 *   def check(end): end.send(len([end.recv() for _ in range(3)]))
 *
 *   q = Queue()
 *   here, there = Pipe()
 *   for i in range(3): Process(target=greet, args=(q, i)).start()
 *   Process(target=check, args=(there,)).start()
 *   lines = sorted(q.get() for _ in range(3))
 *   for line in lines: here.send(line)
 *   assert here.recv() == 3
 *   print(*lines, sep='\n')
 *
 * The server is at $HOLDFAST_URL.
 */
#include <err.h>
#include <holdfast/holdfast.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_COUNT = 3 };

static void must(hf_status status) {
  if (status != HF_OK)
    errx(1, "%s", hf_last_error()->message);
}

static void greet(hf_queue *queue, int number) {
  char line[32];
  snprintf(line, sizeof line, "hello %d times", number);
  must(hf_queue_put(queue, hf_text(line), HF_FOREVER));
}

/* Answers how many lines arrived over the pipe. */
static void check(hf_pipe *end) {
  int64_t count = 0;
  while (count < LINE_COUNT) {
    hf_value line;
    must(hf_pipe_recv(end, HF_FOREVER, &line));
    count += line.type == HF_TYPE_TEXT;
    hf_value_clear(&line);
  }
  must(hf_pipe_send(end, hf_int(count), HF_FOREVER));
}

static int by_text(const void *a, const void *b) {
  return strcmp(((const hf_value *)a)->text, ((const hf_value *)b)->text);
}

/* The parent's part. The processes run in any order, so the lines are sorted. */
static void collect(hf_queue *queue, hf_pipe *end) {
  hf_value lines[LINE_COUNT], answer;
  for (size_t i = 0; i < LINE_COUNT; i++)
    must(hf_queue_get(queue, HF_FOREVER, &lines[i]));
  qsort(lines, LINE_COUNT, sizeof lines[0], by_text);
  for (size_t i = 0; i < LINE_COUNT; i++)
    must(hf_pipe_send(end, lines[i], HF_FOREVER));
  must(hf_pipe_recv(end, HF_FOREVER, &answer));
  if (answer.integer != LINE_COUNT)
    errx(1, "lines were lost in the pipe");
  for (size_t i = 0; i < LINE_COUNT; i++) {
    puts(lines[i].text);
    hf_value_clear(&lines[i]);
  }
}

static void close_all(hf_conn *conn, hf_queue *queue, hf_pipe *ends[2]) {
  hf_pipe_close(ends[0]);
  hf_pipe_close(ends[1]);
  hf_queue_close(queue);
  hf_close(conn);
}

int main(void) {
  hf_conn *conn;
  hf_queue *queue;
  hf_pipe *ends[2];
  must(hf_connect(NULL, NULL, &conn));
  must(hf_queue_open(conn, NULL, 0, &queue));
  must(hf_pipe_new(conn, true, ends));
  for (int number = 0; number <= LINE_COUNT; number++) { /* the last one checks */
    pid_t child = fork();
    if (child < 0)
      err(1, "fork");
    if (child == 0) {
      if (number < LINE_COUNT)
        greet(queue, number);
      else
        check(ends[1]);
      close_all(conn, queue, ends);
      return 0;
    }
  }
  collect(queue, ends[0]);
  int wait_status;
  while (wait(&wait_status) > 0)
    if (wait_status != 0)
      errx(1, "a process failed");
  close_all(conn, queue, ends);
  return 0;
}
