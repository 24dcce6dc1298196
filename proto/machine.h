/* Names the machine, as processes see it: two processes that get the same name can look at each
 * other by their process ids.
 *
 * layer   proto: a client tells its name, a server compares it with its own
 * source  the kernel's boot id and the inode of the process's namespace of process ids
 * threads any
 */
#ifndef HF_PROTO_MACHINE_H
#define HF_PROTO_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* Both begin with it: two names of one machine, though perhaps of two namespaces. */
#define MACHINE_BOOT_ID_BYTES 36

/* Fills id; answers its length, 0 when it can't be found out or is longer than capacity. */
size_t machine_id(uint8_t *id, size_t capacity);

#endif
