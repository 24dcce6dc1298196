/* A malloc that counts, and fails on request. Link with the options HF_MALLOC_HOOK of
 * tests/unit/CMakeLists.txt: they put it in front of the malloc of everything linked statically.
 *
 * threads one allocates; any may free
 */
#ifndef HF_TESTS_MALLOC_HOOK_H
#define HF_TESTS_MALLOC_HOOK_H

#include <stddef.h>

/* Bytes allocated now, in the unit of proto/base/chunk.h. */
size_t malloc_hook_live_bytes(void);
/* The peak since malloc_hook_record_peak. */
size_t malloc_hook_most_bytes(void);
void malloc_hook_record_peak(void);
/* Makes the n-th allocation from now on fail, once; 0: none. */
void malloc_hook_fail(size_t n);
/* Makes the n-th and all later allocations fail. */
void malloc_hook_fail_from(size_t n);
/* Whether that failure has happened. */
int malloc_hook_has_failed(void);

#endif
