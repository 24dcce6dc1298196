/* The system calls that create shared memory, counted, and failing on request. Link with the
 * options HF_MEMORY_HOOK of tests/unit/CMakeLists.txt: they put it in front of those calls of
 * everything linked statically.
 *
 * threads any, but one at a time sets what fails
 */
#ifndef HF_TESTS_MEMORY_HOOK_H
#define HF_TESTS_MEMORY_HOOK_H

#include <stddef.h>

/* Makes the n-th memfd_create, ftruncate, mmap or fcntl of this thread from now on fail, once; 0:
 * none. */
void memory_hook_fail(size_t n);
/* Whether that failure has happened. */
int memory_hook_has_failed(void);
/* Bytes mapped, and open memfds and duplicates of descriptors, made through the hook. */
size_t memory_hook_mapped_bytes(void);
size_t memory_hook_descriptors(void);
/* Calls of munmap by this thread. */
size_t memory_hook_own_unmappings(void);

#endif
