/* A malloc that counts, and fails when it is told to. Link with the options HF_MALLOC_HOOK of
 * tests/unit/CMakeLists.txt: they put it in front of the malloc of everything linked statically.
 *
 * threads one allocates; any may free
 */
#ifndef HF_TESTS_MALLOC_HOOK_H
#define HF_TESTS_MALLOC_HOOK_H

#include <stddef.h>

/* What is allocated now, in the unit of proto/base/chunk.h. */
size_t malloc_hook_live_bytes(void);
/* The most of that since it was last noted. */
size_t malloc_hook_most_bytes(void);
void malloc_hook_record_peak(void);
/* The n-th allocation from now on fails, once; 0: none does. */
void malloc_hook_fail(size_t n);
/* The n-th and all later ones fail. */
void malloc_hook_fail_from(size_t n);
/* Whether that failure has happened. */
int malloc_hook_has_failed(void);

#endif
