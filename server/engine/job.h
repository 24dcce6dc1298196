/* A job: work on a large object beside the engine, which has lent it.
 *
 *   handler: call_work --> few steps: done at once
 *                     '--> many: the request waits, the object is lent
 *                             engine_take_job --> any thread: job_run --> COMMAND_JOB_DONE
 *                                                       the object is back, the handler runs again
 *                                                       and finds the job in call->job; or, if it has
 *                                                       very many references to count, is not back yet,
 *                                                       and the command is to be given again
 *
 * Meanwhile other requests on the object wait in a queue. The engine does not touch lent content:
 * `list` is moved into the job, and the object keeps its former length and memory; a dict and the
 * elements of an array are only read.
 *
 * layer   engine
 * threads Between engine_take_job and COMMAND_JOB_DONE the job belongs to the thread that took it,
 *         except `stop`, which the engine sets to cancel the job, and members marked "the engine's".
 */
#ifndef HF_ENGINE_JOB_H
#define HF_ENGINE_JOB_H

#include "proto/base/shared.h"
#include "server/engine/share.h"
#include "server/objects/dict.h"
#include "server/objects/list.h"

#include <sys/queue.h>

struct object;
struct waiter;

struct job {
  TAILQ_ENTRY(job) link;      /* the engine's: in one of its lists */
  TAILQ_ENTRY(job) lent_link; /* the taker's */
  uint64_t number;            /* in the order of jobs, from 1: names it in a log */
  /* HF_REASON_NONE | STOPPING, as if nothing had been done | any other, likewise */
  hf_reason (*work)(struct job *job);
  struct shared_flag stop;

  /* Input. */
  struct list *list;
  struct list lent_list;
  const struct dict *dict;
  const void *elements;
  const struct cell_type *type; /* of the elements */
  size_t elements_count;

  /* Arguments; value is the job's. */
  struct value value;
  struct list_range range;
  size_t from, to;
  int64_t times;
  unsigned parts;
  bool reverse;
  bool repeats; /* the list becomes `times` as long */
  size_t more;  /* values to leave room for, behind the others */

  /* Results; the job's until they are taken. */
  hf_reason reason;
  bool is_found, has_references;
  size_t count;
  struct value *values; /* malloc */
  size_t values_count;
  struct list removed;
  struct cell_share *share;
  void *replaced; /* malloc: the elements that were copied into the share */

  /* The engine's. */
  bool is_taken;
  bool is_run;    /* its taker has nothing to do but to give it back */
  bool is_back;   /* it is the taker's alone, to be freed */
  size_t counted; /* items whose references are counted, when it is given back */
  struct object *object;
  struct waiter *requester; /* NULL: the wait is over */
  hf_reason stop_reason;    /* the requester's answer if the job was stopped */
  size_t charged_bytes;
};
TAILQ_HEAD(job_list, job);
TAILQ_HEAD(lent_list, job);

static inline bool job_is_stopped(const struct job *job) {
  return shared_flag_is_raised(&job->stop);
}

/* For lists' long operations; ctx is the job. */
bool job_stop(void *job);
/* Runs the job, on the thread that took it. */
void job_run(struct job *job);
/* Frees the job with all it owns; slow. */
void job_free(struct job *job);

#endif
