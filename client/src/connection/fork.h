/* Forks: a child finds its parent's connections closed and opens its own on first use.
 *
 * layer   client, connection
 * threads The handlers lock every connection around fork(2), so that the child finds them whole.
 */
#ifndef HF_CLIENT_FORK_H
#define HF_CLIENT_FORK_H

#include <stdbool.h>
#include <stdint.h>

struct hf_conn;

/* Connections that are to survive a fork. false: out of memory. */
bool fork_watch(struct hf_conn *conn);
void fork_unwatch(struct hf_conn *conn);
/* How many forks lie between this process and the first one. */
uint32_t fork_generation(void);

#endif
