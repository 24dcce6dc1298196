/* The generation of a process: the number of forks between the first process and this one.
 *
 * layer   client, connection
 * threads any
 */
#ifndef HF_CLIENT_GENERATION_H
#define HF_CLIENT_GENERATION_H

#include <stdint.h>

uint32_t fork_generation(void);
/* In a forked child. */
void fork_generation_next(void);

#endif
