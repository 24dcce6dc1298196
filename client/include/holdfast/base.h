/* What all headers of the library share: its macros, and errors.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_BASE_H
#define HOLDFAST_BASE_H

#include <holdfast/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define HF_BEGIN_DECLARATIONS extern "C" {
#define HF_END_DECLARATIONS }
#else
#define HF_BEGIN_DECLARATIONS
#define HF_END_DECLARATIONS
#endif

#if defined(__GNUC__)
#define HF_API __attribute__((visibility("default")))
#define HF_CHECKED __attribute__((visibility("default"), warn_unused_result))
#define HF_INLINE static inline __attribute__((unused, warn_unused_result))
#else
#define HF_API
#define HF_CHECKED
#define HF_INLINE static inline
#endif

/* Structs of options and of results may grow at their end. The inline functions that take one pass
 * its size in the program to the function of that name with _sized, so that program and library may
 * be of different versions; programs without inline functions call those. An option that the
 * library does not know is INVALID_ARGUMENT BAD_ARGUMENT if it is set; result members that the
 * library does not know are 0. All other structs are fixed. */

#define HF_FOREVER INT64_C(-1)

HF_BEGIN_DECLARATIONS

struct hf_error {
  hf_status status;
  const char *reason;  /* a stable word such as "NO_SUCH_KEY"; "" when there is none */
  const char *message; /* a sentence for people */
};

/* Discards the status of a call between begin and end of a pipeline, wait-any or transaction: the
 * function that ends it answers the first status that was not HF_OK. */
static inline void hf_kept(hf_status status) {
  (void)status;
}

/* The error of this thread's last failed call. Borrowed until its next failed call; never NULL. */
HF_API const struct hf_error *hf_last_error(void);

HF_END_DECLARATIONS

#endif
