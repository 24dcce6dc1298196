/* Descriptors that clients leave to the server: for its journal, snapshots, backups and settings.
 *
 * The kernel gives out the lowest free number. What is opened for a client is closed at once if its number is one of
 * the last DESCRIPTORS_KEPT below the limit. So the server always opens its own files, whatever clients take.
 *
 * layer   base
 * threads any
 */
#ifndef HF_BASE_DESCRIPTORS_H
#define HF_BASE_DESCRIPTORS_H

#include <stdbool.h>

#define DESCRIPTORS_KEPT 24

/* The descriptor, which was opened for a client; -1 and errno: there is none, or it was closed as one that is kept. */
int descriptors_for_client(int fd);
/* Whether there is one for another client. */
bool descriptors_are_left(void);
/* Whether no client has one that is kept: for sockets that are accepted elsewhere, and have no number here. */
bool descriptors_are_kept(void);

#endif
