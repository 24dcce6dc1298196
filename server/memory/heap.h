/* malloc's memory: how it is had from the machine, and given back.
 *
 * layer   memory
 * source  mallopt(3), malloc_trim(3); elsewhere than with glibc nothing is done
 *
 * One arena for all threads. What one thread frees another uses again, so that filling, deleting and
 * filling once more over many connections takes no more than the first time: with an arena for each
 * thread it took 2.75 times as much. Values are stored and freed under the engine's lock anyway.
 *
 * Blocks of HEAP_MMAP_BYTES go back when they are freed; what is free at the heap's end, beyond
 * HEAP_TOP_BYTES, too. Holes between go back when heap_trim is called.
 */
#ifndef HF_MEMORY_HEAP_H
#define HF_MEMORY_HEAP_H

#include <stddef.h>

#define HEAP_MMAP_BYTES (4 << 20)
/* The kernel allows a process 65,530 mappings, of which segments, rings and stacks need some. */
#define HEAP_MMAPS_MAX 16384
#define HEAP_TOP_BYTES (16 << 20)
/* Less than this in holes is not worth a walk. */
#define HEAP_TRIM_BYTES ((size_t)32 << 20)

/* Before the first thread is started. */
void heap_configure(void);
/* Gives the pages of holes back. Other threads that need malloc's lock wait meanwhile: about a
 * millisecond for 16 MiB of new holes, and a microsecond for each old one. */
void heap_trim(void);

#endif
