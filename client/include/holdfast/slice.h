/* Ranges of lists and arrays.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_SLICE_H
#define HOLDFAST_SLICE_H

#include <holdfast/base.h>

HF_BEGIN_DECLARATIONS

/* A slice bound that Python would omit or call None. */
#define HF_OMITTED INT64_MIN

/* A Python slice [start:stop:step], with HF_OMITTED for an omitted bound. */
struct hf_slice {
  int64_t start, stop, step;
};
#ifdef __cplusplus
#define HF_SLICE_ALL (hf_slice{HF_OMITTED, HF_OMITTED, HF_OMITTED})
#else
#define HF_SLICE_ALL ((struct hf_slice){HF_OMITTED, HF_OMITTED, HF_OMITTED})
#endif

HF_END_DECLARATIONS

#endif
