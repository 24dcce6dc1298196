/* The workers of wordcount: take chunks, count them, add to the shared dict. See wordcount.c. */
#include "client/examples/wordcount.h"

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Chunks merged into one update: words repeat, so fewer requests are needed. */
#define BATCH_CHUNKS 8
#define ADDS_IN_FLIGHT 256

struct worker {
  hf_conn *conn;
  const char *job;
  hf_queue *queue;
  hf_dict *counts; /* NULL before the first chunk, which names the run */
  struct word_table table;
  uint64_t chunks, words;
};

/* The coordinator ends the job by deleting its objects. */
static bool is_over(hf_status status) {
  return (status == HF_ABORTED && strcmp(hf_last_error()->reason, "OBJECT_DELETED") == 0) ||
         (status == HF_NOT_FOUND && strcmp(hf_last_error()->reason, "NO_SUCH_OBJECT") == 0);
}

/* Opens an existing dict only: a chunk of a killed coordinator must not recreate its dict. */
static hf_status open_counts(struct worker *worker, int64_t run) {
  char part[32], name[256];
  hf_object *object;
  if (worker->counts != NULL)
    return HF_OK;
  snprintf(part, sizeof part, "counts/%" PRId64, run);
  wordcount_name(name, worker->job, part);
  hf_status status = hf_open(worker->conn, name, HF_DICT, &object);
  if (status == HF_OK)
    worker->counts = (hf_dict *)object;
  return status;
}

/* Adds the batch to the dict in few round trips, and only then says that its chunks are done. */
static hf_status merge(struct worker *worker, int chunk_count) {
  wordcount_must(hf_pipeline_begin(worker->conn, ADDS_IN_FLIGHT));
  for (size_t i = 0; i < worker->table.slot_count; i++) {
    const struct word *word = &worker->table.slots[i];
    if (word->text != NULL) /* errors are reported at the end */
      hf_kept(hf_dict_add(worker->counts, hf_text_n(word->text, word->size),
                          hf_int((int64_t)word->count), NULL));
  }
  hf_status status = hf_pipeline_end(worker->conn, NULL);
  for (int i = 0; i < chunk_count && status == HF_OK; i++)
    status = hf_queue_task_done(worker->queue);
  word_table_clear(&worker->table);
  return status;
}

/* Counts the words of (run, text). */
static hf_status count_chunk(struct worker *worker, const hf_value *chunk) {
  if (chunk->type != HF_TYPE_TUPLE || chunk->size != 2 || chunk->items[0].type != HF_TYPE_INT ||
      chunk->items[1].type != HF_TYPE_BYTES)
    errx(1, "something else than a chunk is on the queue of job %s", worker->job);
  hf_status status = open_counts(worker, chunk->items[0].integer);
  if (status != HF_OK)
    return status;
  worker->words += word_table_count(&worker->table, chunk->items[1].bytes, chunk->items[1].size);
  worker->chunks++;
  return HF_OK;
}

/* Waits for a chunk and takes further available ones, up to a batch. HF_OK: count is at least 1. */
static hf_status take_batch(struct worker *worker, int64_t timeout_ms, int *count) {
  hf_value chunk;
  hf_status status = hf_queue_get(worker->queue, timeout_ms, &chunk);
  for (*count = 0; status == HF_OK;) {
    status = count_chunk(worker, &chunk);
    hf_value_clear(&chunk);
    if (status != HF_OK)
      return status;
    if (++*count == BATCH_CHUNKS)
      return HF_OK;
    status = hf_queue_get(worker->queue, 0, &chunk);
  }
  return *count > 0 ? HF_OK : status;
}

int wordcount_work(const struct wordcount_options *options) {
  struct worker worker = {.job = options->job};
  wordcount_must(hf_connect(NULL, NULL, &worker.conn));
  wordcount_open_queue(worker.conn, options->job, &worker.queue);
  hf_status status;
  int chunk_count;
  do {
    status = take_batch(&worker, options->idle_ms, &chunk_count);
    if (status == HF_OK)
      status = merge(&worker, chunk_count);
  } while (status == HF_OK);
  bool gave_up = status == HF_DEADLINE_EXCEEDED;
  if (!gave_up && !is_over(status))
    wordcount_must(status);
  fprintf(stderr, "worker: %s after %" PRIu64 " chunks, %" PRIu64 " words\n",
          gave_up ? "idle, left" : "the job is over", worker.chunks, worker.words);
  word_table_deinit(&worker.table);
  hf_dict_close(worker.counts);
  hf_queue_close(worker.queue);
  hf_close(worker.conn);
  return 0;
}
