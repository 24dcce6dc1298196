/* Names the machine and pid namespace of a process: two processes with the same name can identify
 * each other by process ids.
 *
 * layer   proto: a client sends its name, the server compares it with its own
 * source  the kernel's boot id and the inode of the process's pid namespace
 * threads any
 */
#ifndef HF_PROTO_MACHINE_H
#define HF_PROTO_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* The length of the boot id that a name begins with: names of one machine share it, whatever the
 * namespace of process ids. */
#define MACHINE_BOOT_ID_BYTES 36

/* Fills id and returns its length; 0: unknown, or longer than capacity. */
size_t machine_id(uint8_t *id, size_t capacity);

#endif
