/* Forks and TLS: no thread is inside the TLS library while this process forks, since the child could
 * find a lock of it taken, or a connection half changed.
 *
 * layer   client, transport
 * threads any; a thread enters once at a time, and waits for nothing until it leaves
 */
#ifndef HF_CLIENT_TLS_GUARD_H
#define HF_CLIENT_TLS_GUARD_H

/* Around every use of proto/tls/tls.h. */
void tls_guard_enter(void);
void tls_guard_leave(void);

/* Around fork(2): waits until all threads have left, and lets none enter meanwhile. */
void tls_guard_before_fork(void);
void tls_guard_after_fork_in_parent(void);
void tls_guard_after_fork_in_child(void);

#endif
