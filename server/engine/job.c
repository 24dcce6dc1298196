#include "server/engine/job.h"

#include <stdlib.h>

bool job_stop(void *job) {
  return job_is_stopped(job);
}

void job_run(struct job *job) {
  if (!job->is_run) {
    job->reason = job_is_stopped(job) ? HF_REASON_STOPPING : job->work(job);
    job->is_run = true;
  }
}

void job_free(struct job *job) {
  if (!job) {
    return;
  }
  for (size_t i = 0; job->values && i < job->values_count; i++) {
    value_release(job->values[i]);
  }
  free(job->values);
  list_deinit(&job->removed);
  value_release(job->value);
  cell_share_release(job->share);
  free(job->replaced);
  free(job);
}
