/* sqlite's own file system, whose writes and syncs go through faulty_disk.h.
 *
 * threads one
 */
#ifndef HF_TESTS_FAULTY_VFS_H
#define HF_TESTS_FAULTY_VFS_H

#define FAULTY_VFS "faulty"

/* Makes it known to sqlite by that name. */
void faulty_vfs_register(void);

#endif
