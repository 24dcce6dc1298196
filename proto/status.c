#include "proto/status.h"

#include <string.h>

static const char *const status_names[] = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};

static const struct {
  const char *name;
  hf_status status;
  const char *sentence;
} reasons[HF_REASON_COUNT] = {[HF_REASON_NONE] = {"", HF_OK, ""},
#define REASON_ROW(word, status, sentence) [HF_REASON_##word] = {#word, HF_##status, sentence},
                              HF_REASONS(REASON_ROW)
#undef REASON_ROW
};

const char *hf_status_name(hf_status status) {
  size_t idx = (size_t)status;
  return idx < sizeof status_names / sizeof *status_names ? status_names[idx] : "UNKNOWN";
}

const char *hf_reason_name(hf_reason reason) {
  return reason < HF_REASON_COUNT ? reasons[reason].name : "";
}

const char *hf_reason_sentence(hf_reason reason) {
  return reason < HF_REASON_COUNT ? reasons[reason].sentence : "";
}

hf_status hf_reason_status(hf_reason reason) {
  return reason < HF_REASON_COUNT ? reasons[reason].status : HF_UNKNOWN;
}

hf_reason hf_reason_find(const char *name, unsigned long name_len) {
  for (int i = 1; i < HF_REASON_COUNT; i++) {
    if (strncmp(reasons[i].name, name, name_len) == 0 && strlen(reasons[i].name) == name_len) {
      return (hf_reason)i;
    }
  }
  return HF_REASON_NONE;
}
