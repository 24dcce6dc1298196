#include "client/src/connection/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local struct failure last;
static _Thread_local struct hf_error last_view;

const struct hf_error *hf_last_error(void) {
  last_view = (struct hf_error){last.status, last.reason, last.message};
  return &last_view;
}

static void copy_text(char *to, size_t capacity, struct bytes from) {
  size_t len = from.len < capacity ? from.len : capacity - 1;
  if (len > 0) {
    memcpy(to, from.data, len);
  }
  to[len] = '\0';
}

struct failure *failure_new(hf_status status, struct bytes reason, struct bytes message) {
  struct failure *failure = malloc(sizeof *failure);
  if (failure == NULL) {
    return NULL;
  }
  failure->status = status;
  failure->part = 0;
  copy_text(failure->reason, sizeof failure->reason, reason);
  copy_text(failure->message, sizeof failure->message, message);
  return failure;
}

struct failure *failure_of(hf_reason reason) {
  return failure_new(hf_reason_status(reason), bytes_of_text(hf_reason_name(reason)),
                     bytes_of_text(hf_reason_sentence(reason)));
}

struct failure *failure_copy(const struct failure *failure) {
  if (failure == NULL) {
    return NULL;
  }
  return failure_new(failure->status, bytes_of_text(failure->reason),
                     bytes_of_text(failure->message));
}

struct failure *failure_of_error(void) {
  return failure_copy(&last);
}

struct failure error_keep(void) {
  return last;
}

void error_restore(const struct failure *kept) {
  last = *kept;
}

hf_status error_take(hf_status status, struct failure *failure) {
  if (failure != NULL) {
    last = *failure;
    free(failure);
  } else {
    last.part = 0;
    last.reason[0] = '\0';
    copy_text(last.message, sizeof last.message, bytes_of_text(hf_status_name(status)));
  }
  last.status = status;
  return status;
}

uint32_t error_part(void) {
  return last.part;
}

hf_status error_reason(hf_reason reason) {
  return error_format(reason, "%s", hf_reason_sentence(reason));
}

hf_status error_format(hf_reason reason, const char *format, ...) {
  va_list arguments;
  last.status = hf_reason_status(reason);
  last.part = 0;
  copy_text(last.reason, sizeof last.reason, bytes_of_text(hf_reason_name(reason)));
  va_start(arguments, format);
  vsnprintf(last.message, sizeof last.message, format, arguments);
  va_end(arguments);
  return last.status;
}
