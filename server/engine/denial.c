#include "server/engine/denial.h"

#include "proto/limits.h"
#include "proto/text.h"
#include "server/engine/reply.h"

#include <stdarg.h>
#include <stdio.h>

void denial_begin(struct denial *denial, hf_reason reason) {
  denial->reason = reason;
  denial->len = 0;
}

void denial_add(struct denial *denial, const char *format, ...) {
  size_t room = sizeof denial->text - denial->len;
  va_list arguments;
  va_start(arguments, format);
  int len = vsnprintf(denial->text + denial->len, room, format, arguments);
  va_end(arguments);
  if (len > 0) {
    denial->len += (size_t)len < room ? (size_t)len : room - 1;
  }
}

void denial_add_name(struct denial *denial, struct bytes name) {
  char clean[HF_NAME_BYTES_MAX + 1];
  text_make_name(name, clean, sizeof clean);
  denial_add(denial, "\"%s\"", clean);
}

void denial_add_bytes(struct denial *denial, uint64_t bytes) {
  static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  unsigned unit = 0;
  uint64_t one = 1;
  while (unit + 1 < sizeof units / sizeof *units && bytes / one >= 1024) {
    one *= 1024;
    unit++;
  }
  if (unit == 0) {
    denial_add(denial, "%llu bytes", (unsigned long long)bytes);
  } else {
    uint64_t tenths = bytes / (one / 1024) * 10 / 1024;
    denial_add(denial, "%llu.%llu %s", (unsigned long long)(tenths / 10),
               (unsigned long long)(tenths % 10), units[unit]);
  }
}

void denial_explain(struct denial *denial, struct reply *reply) {
  if (reply->reason && denial->reason == reply->reason) {
    value_text(bytes_of(denial->text, denial->len), &reply->sentence);
  }
  denial->reason = HF_REASON_NONE;
}
