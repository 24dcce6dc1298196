/* The coordinator of wordcount: cuts files into chunks, waits, prints. See wordcount.c. */
#include "client/examples/wordcount.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_MS 500
#define TOP_COUNT 10
/* A run of letters that fits in no chunk must still fit in a message. */
#define WORD_BYTES_MAX (8u << 20)

struct coordinator {
  const struct wordcount_options *options;
  hf_conn *conn;
  hf_lock *lock;
  hf_queue *queue;
  hf_dict *counts;
  int64_t run;
  /* Text read and not put yet: all files in one stream, separated by newlines. */
  uint8_t *buffer; /* WORD_BYTES_MAX, of which buffer_cap are used */
  size_t buffer_len, buffer_cap;
  uint64_t files, bytes, chunks, unreadable;
  int workers_running; /* of our own */
  int64_t shown_ms;
};

struct result {
  struct word *entries; /* texts end in a NUL here */
  size_t count, cap;
  uint64_t words;
};

/* ------------------------------------------------------------------ progress */

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* A worker forked here that ends early took chunks with it: waiting for them would never end. */
static void check_own_workers(struct coordinator *c) {
  int wait_status;
  if (c->workers_running > 0 && waitpid(-1, &wait_status, WNOHANG) > 0)
    errx(1, "a worker ended before the job was over");
}

/* The same for all workers. A worker that waits at the queue has finished its chunks; if all
 * workers wait and the queue is empty, the missing chunks are lost. */
static void check_chunks(const struct hf_object_info *info) {
  const uint64_t own_references = 1;
  if (info->length == 0 && info->unfinished > 0 &&
      info->waiting + own_references >= info->references)
    errx(1, "%" PRIu64 " chunks were lost with a worker that ended before they were counted",
         info->unfinished);
}

static void show_progress(struct coordinator *c, const char *doing, bool now) {
  check_own_workers(c);
  if (!now && now_ms() - c->shown_ms < PROGRESS_MS)
    return;
  c->shown_ms = now_ms();
  struct hf_object_info info = {0};
  wordcount_must(hf_object_info(HF_AS_OBJECT(c->queue), &info));
  check_chunks(&info);
  fprintf(stderr,
          "%s: %" PRIu64 " files, %" PRIu64 " KiB, %" PRIu64 " of %" PRIu64 " chunks counted\n",
          doing, c->files, c->bytes >> 10, c->chunks - info.unfinished, c->chunks);
}

/* ------------------------------------------------------------------ start */

static void refuse_second(struct coordinator *c, const char *name) {
  struct hf_grant grant;
  wordcount_must(hf_lock_open(c->conn, name, &c->lock));
  const struct hf_lock_options robust = {.robust = true};
  hf_status status = hf_lock_acquire_with(c->lock, &robust, 0, &grant);
  if (status == HF_DEADLINE_EXCEEDED)
    errx(1, "job %s has a coordinator already; choose another --job", c->options->job);
  wordcount_must(status);
  c->run = (int64_t)grant.token;
}

/* Deletes the objects of a coordinator that was killed. */
static void delete_leftovers(struct coordinator *c) {
  char prefix[256];
  struct hf_object_info *infos;
  size_t count;
  wordcount_name(prefix, c->options->job, "counts/");
  wordcount_must(hf_list_objects(c->conn, prefix, HF_DICT, &infos, &count));
  for (size_t i = 0; i < count; i++)
    wordcount_must(hf_delete(c->conn, infos[i].name));
  free(infos);
}

/* Reuses the queue of waiting workers; a queue with items is a leftover. */
static void open_queue(struct coordinator *c) {
  struct hf_object_info info;
  wordcount_open_queue(c->conn, c->options->job, &c->queue);
  wordcount_must(hf_object_info(HF_AS_OBJECT(c->queue), &info));
  if (info.unfinished == 0)
    return;
  wordcount_must(hf_object_delete(HF_AS_OBJECT(c->queue)));
  hf_queue_close(c->queue);
  wordcount_open_queue(c->conn, c->options->job, &c->queue);
}

static void open_job(struct coordinator *c) {
  char part[32], name[256];
  wordcount_must(hf_connect(NULL, NULL, &c->conn));
  wordcount_name(name, c->options->job, "lock");
  refuse_second(c, name);
  delete_leftovers(c);
  open_queue(c);
  snprintf(part, sizeof part, "counts/%" PRId64, c->run);
  wordcount_name(name, c->options->job, part);
  wordcount_must(hf_dict_open(c->conn, name, &c->counts));
}

/* Workers connect themselves, as on other hosts, and run until the job is over. */
static void start_workers(struct coordinator *c) {
  struct wordcount_options options = *c->options;
  options.idle_ms = HF_FOREVER;
  for (; c->workers_running < c->options->workers; c->workers_running++) {
    pid_t child = fork();
    if (child < 0)
      err(1, "fork");
    if (child == 0)
      exit(wordcount_work(&options));
  }
}

/* A worker is ready when it waits at the queue. */
static void await_workers(struct coordinator *c) {
  struct hf_object_info info = {0};
  while (info.waiting < (uint64_t)c->options->await) {
    const struct timespec pause = {.tv_nsec = 50000000};
    nanosleep(&pause, NULL);
    check_own_workers(c);
    wordcount_must(hf_object_info(HF_AS_OBJECT(c->queue), &info));
  }
}

/* ------------------------------------------------------------------ files to chunks */

static void put_chunk(struct coordinator *c, size_t size_bytes) {
  const hf_value parts[] = {hf_int(c->run), hf_bytes(c->buffer, size_bytes)};
  hf_value chunk = hf_tuple(parts, 2);
  hf_status status;
  while ((status = hf_queue_put(c->queue, chunk, PROGRESS_MS)) == HF_DEADLINE_EXCEEDED)
    show_progress(c, "reading", false);
  wordcount_must(status);
  c->chunks++;
  c->buffer_len -= size_bytes;
  memmove(c->buffer, c->buffer + size_bytes, c->buffer_len);
  if (c->buffer_len < CHUNK_BYTES)
    c->buffer_cap = CHUNK_BYTES; /* shrinks after a long word */
  show_progress(c, "reading", false);
}

/* Puts the buffer up to its last word boundary; a word that fills the buffer gets a larger one. */
static void put_full_buffer(struct coordinator *c) {
  size_t cut = c->buffer_len;
  while (cut > 0 && wordcount_is_letter(c->buffer[cut - 1]))
    cut--;
  if (cut > 0) {
    put_chunk(c, cut);
    return;
  }
  if (c->buffer_cap >= WORD_BYTES_MAX)
    errx(1, "a word of more than %u bytes", WORD_BYTES_MAX);
  c->buffer_cap *= 2;
}

static void read_file(struct coordinator *c, const char *path, const char *access_path) {
  int fd = open(access_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  ssize_t got = -1;
  while (fd >= 0) {
    if (c->buffer_len == c->buffer_cap)
      put_full_buffer(c);
    got = read(fd, c->buffer + c->buffer_len, c->buffer_cap - c->buffer_len);
    if (got <= 0)
      break;
    c->buffer_len += (size_t)got;
    c->bytes += (uint64_t)got;
  }
  if (got < 0) {
    warn("%s", path);
    c->unreadable++;
  } else {
    c->files++;
  }
  if (fd >= 0)
    close(fd);
  if (c->buffer_len == c->buffer_cap)
    put_full_buffer(c);
  c->buffer[c->buffer_len++] = '\n'; /* ends the file's last word */
}

static void read_tree(struct coordinator *c) {
  FTS *tree = fts_open(c->options->paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
  if (tree == NULL)
    err(1, "%s", c->options->paths[0]);
  FTSENT *entry;
  while ((entry = fts_read(tree)) != NULL) {
    if (entry->fts_info == FTS_F) {
      read_file(c, entry->fts_path, entry->fts_accpath);
    } else if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR ||
               entry->fts_info == FTS_NS) {
      warnx("%s: %s", entry->fts_path, strerror(entry->fts_errno));
      c->unreadable++;
    }
  }
  fts_close(tree);
  while (c->buffer_len > 0)
    put_full_buffer(c); /* ends in a newline, so it goes as a whole */
}

/* ------------------------------------------------------------------ the result */

static int by_word(const void *a, const void *b) {
  return strcmp(((const struct word *)a)->text, ((const struct word *)b)->text);
}

static int by_count(const void *a, const void *b) {
  uint64_t first = ((const struct word *)a)->count, second = ((const struct word *)b)->count;
  return first == second ? by_word(a, b) : (first < second) - (first > second);
}

static void keep_entry(struct result *result, const struct hf_entry *entry) {
  if (result->count == result->cap) {
    result->cap = result->cap == 0 ? 4096 : result->cap * 2;
    result->entries = realloc(result->entries, result->cap * sizeof *result->entries);
    if (result->entries == NULL)
      err(1, "memory for the result");
  }
  struct word *word = &result->entries[result->count++];
  word->text = strndup(entry->key.text, entry->key.size);
  word->size = entry->key.size;
  word->count = (uint64_t)entry->value.integer;
  result->words += word->count;
  if (word->text == NULL)
    err(1, "memory for the result");
}

static void collect(struct coordinator *c, struct result *result) {
  struct hf_dict_scan scan = {.page_count = 5000};
  const struct hf_entry *entry;
  for (;;) {
    wordcount_must(hf_dict_next(c->counts, &scan, &entry));
    if (entry == NULL)
      break;
    keep_entry(result, entry);
  }
  if (result->count > 0)
    qsort(result->entries, result->count, sizeof *result->entries, by_word);
}

static void write_result(const char *path, const struct result *result) {
  FILE *file = fopen(path, "w");
  if (file == NULL)
    err(1, "%s", path);
  for (size_t i = 0; i < result->count; i++)
    fprintf(file, "%s\t%" PRIu64 "\n", result->entries[i].text, result->entries[i].count);
  bool failed = ferror(file) != 0;
  if (fclose(file) != 0 || failed)
    err(1, "%s", path);
}

static void print_result(const struct coordinator *c, struct result *result) {
  printf("files %" PRIu64 "\nbytes %" PRIu64 "\nwords %" PRIu64 "\ndistinct %zu\n", c->files,
         c->bytes, result->words, result->count);
  if (result->count > 0)
    qsort(result->entries, result->count, sizeof *result->entries, by_count);
  for (size_t i = 0; i < result->count && i < TOP_COUNT; i++)
    printf("%10" PRIu64 " %s\n", result->entries[i].count, result->entries[i].text);
}

static void result_deinit(struct result *result) {
  for (size_t i = 0; i < result->count; i++)
    free(result->entries[i].text);
  free(result->entries);
}

/* ------------------------------------------------------------------ end */

static void await_chunks(struct coordinator *c) {
  hf_status status;
  while ((status = hf_queue_join(c->queue, PROGRESS_MS)) == HF_DEADLINE_EXCEEDED)
    show_progress(c, "counting", false);
  wordcount_must(status);
  show_progress(c, "done", true);
}

/* Deleting the queue ends the workers; waits for those forked here. */
static void close_job(struct coordinator *c) {
  wordcount_must(hf_object_delete(HF_AS_OBJECT(c->queue)));
  wordcount_must(hf_object_delete(HF_AS_OBJECT(c->counts)));
  wordcount_must(hf_object_delete(HF_AS_OBJECT(c->lock)));
  hf_queue_close(c->queue);
  hf_dict_close(c->counts);
  hf_lock_close(c->lock);
  hf_close(c->conn);
  int wait_status;
  while (wait(&wait_status) > 0)
    if (wait_status != 0)
      errx(1, "a worker failed");
  free(c->buffer);
}

int wordcount_coordinate(const struct wordcount_options *options) {
  struct coordinator c = {.options = options, .buffer_cap = CHUNK_BYTES};
  struct result result = {0};
  c.buffer = malloc(WORD_BYTES_MAX);
  if (c.buffer == NULL)
    err(1, "memory for a chunk");
  c.shown_ms = now_ms();
  open_job(&c);
  start_workers(&c);
  await_workers(&c);
  read_tree(&c);
  await_chunks(&c);
  collect(&c, &result);
  close_job(&c);
  if (options->out != NULL)
    write_result(options->out, &result);
  print_result(&c, &result);
  result_deinit(&result);
  if (fflush(stdout) != 0)
    err(1, "stdout");
  return c.unreadable == 0 ? 0 : 1;
}
