/* A directory of the test's own, for files. */
#ifndef HF_TESTS_SUPPORT_DIRECTORY_H
#define HF_TESTS_SUPPORT_DIRECTORY_H

#define DIRECTORY_PATH_BYTES 64

/* Makes an empty one, in TMPDIR or /tmp. */
void directory_make(char path[DIRECTORY_PATH_BYTES]);
/* Removes it, with the files in it. */
void directory_remove(const char *path);

#endif
