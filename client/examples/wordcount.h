/* What the coordinator and the workers of wordcount have in common; see wordcount.c.
 *
 * objects  JOB/queue       chunks, (run, text as bytes); bounded, so that the server never has all
 *                          text at once
 *          JOB/counts/RUN  word -> count, incremented atomically
 *          JOB/lock        owned by the coordinator, one at a time; its token is RUN, so that chunks
 *                          of a killed coordinator are never counted for the next
 */
#ifndef HF_EXAMPLES_WORDCOUNT_H
#define HF_EXAMPLES_WORDCOUNT_H

#include <holdfast/holdfast.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A chunk is cut at the last word boundary before this; only a longer run of letters exceeds it. */
#define CHUNK_BYTES (256u << 10)
#define QUEUE_CHUNKS 32

struct wordcount_options {
  const char *job;
  const char *out; /* NULL: no file */
  char **paths;    /* NULL-terminated */
  int workers;     /* to fork on this host */
  int await;       /* workers that must be waiting before the first chunk is put */
  int64_t idle_ms; /* worker: ends after this time without a chunk; HF_FOREVER */
};

int wordcount_coordinate(const struct wordcount_options *options);
int wordcount_work(const struct wordcount_options *options);

/* Ends the process with the error of the last call unless it was HF_OK. */
void wordcount_must(hf_status status);
/* Writes "JOB/part". */
void wordcount_name(char name[256], const char *job, const char *part);
/* Opens JOB/queue, or creates it. */
void wordcount_open_queue(hf_conn *conn, const char *job, hf_queue **queue);

/* ------------------------------------------------------------------ counting in memory */

struct word {
  char *text; /* NULL: an empty slot */
  size_t size;
  uint64_t count;
};

/* A hash table from words to counts, open addressing; lowercases what it is given. */
struct word_table {
  struct word *slots;
  size_t slot_count; /* a power of two, or 0 */
  size_t used;
};

/* Counts every maximal run of ASCII letters; answers how many there were. */
uint64_t word_table_count(struct word_table *table, const uint8_t *text, size_t size_bytes);
void word_table_clear(struct word_table *table);
void word_table_deinit(struct word_table *table);

bool wordcount_is_letter(uint8_t character);

#endif
