/* Cells in shared memory, byte by byte: the memory that the server and local clients both write.
 *
 * layer   proto
 * source  fcntl(2): a memfd that is sealed against shrinking and growing can't be truncated under a
 *         reader. Robust mutexes: glibc's pthread_mutex_lock.c, the kernel's handle_futex_death.
 *
 * A segment is a sealed memfd that begins with a header (shared_header.h). Small cells share a
 * segment of HF_ARENA_BYTES; a larger cell has a segment of its own. A cell is a header of 64 bytes
 * at a multiple of 64, followed by its elements (cell_type.h):
 *
 *   offset  bytes  word     written by              meaning
 *        0  48     mutex    clients; on a death     robust, process-shared, recursive. Its first
 *                           the kernel or server    word is the futex: the owner's thread id,
 *                                                   FUTEX_WAITERS, FUTEX_OWNER_DIED
 *       48  4      remote   server                  1: the server owns the lock, or requests it
 *       52  4      flags    both, single bits       enum cell_flag
 *       56  4      changes  both, increments        the futex of threads that wait for a change
 *       60  4      owner    server                  low half of the object's id; 0: deleted
 *       64         elements both
 *
 * The lock. Local threads lock the mutex. The server never locks it: a robust mutex is linked into
 * its owner's list by pointers that any client can overwrite. The server reads the futex word, and
 * writes it only to mark a dead owner. Dekker's handshake decides between the two sides:
 *
 *   client                                      server
 *   1 lock the mutex                            1 remote = 1
 *   2 full barrier                              2 full barrier
 *   3 load `remote`                             3 load the futex word
 *     0: the client owns the lock                 no thread id: the server owns the lock
 *     1: unlock, and request the lock from        a thread id: wait; a client that unlocks and
 *        the server, which queues requests        loads remote = 1 sends cell_notify, and the
 *                                                 server also looks again after a backoff
 *
 *   L1 At least one side sees the other's store.
 *   L2 From the server's load of a word without thread id until remote = 0, every local locker
 *      loads remote = 1 and unlocks without a store to the cell.
 *   L3 The server stores remote = 0 only while its queue is empty and no session owns the lock.
 *
 * Elements. The owner of the lock publishes each element by one store of its size; unlocking
 * releases, locking acquires. Raw kinds have no lock: each access is a single store, load or atomic
 * read-modify-write, and a store of one element orders nothing about the others.
 *
 * Changes. A waiter and a writer:
 *
 *   waiter                                      writer
 *   1 load `changes`                            1 store the element
 *   2 set its flag                              2 load the flags
 *   3 load the element                          3 CELL_LOCAL_WAITS: clear the flag, increment
 *   4 unchanged: futex wait on `changes`            `changes`, futex wake
 *                                                 CELL_SERVER_WAITS: send cell_notify
 *
 * Between store and load both sides own the lock; for raw kinds both have a full barrier there. If
 * the writer clears a flag that was set after its own store, `changes` differs from the value of
 * step 1, and the waiter returns to step 1 without sleeping.
 *
 * Deaths (EOWNERDEAD recovery). An owner that dies has published whole elements only. The kernel
 * sets FUTEX_OWNER_DIED in the word and wakes one waiter, which makes the mutex consistent and sets
 * CELL_DIED; the next lock call, here or on the server, clears CELL_DIED and reports owner_died. If
 * the server finds the death first, the server sets CELL_DIED and CELL_NOTIFIED, and the client
 * that recovers the mutex clears CELL_NOTIFIED instead of setting CELL_DIED again. The server sets
 * CELL_NOTIFIED before it loads the word and clears it if the word names no death; if CELL_NOTIFIED
 * is already cleared then, a client has recovered a death in between, and the server sets
 * CELL_DIED. A thread that locks the mutex only to load `remote`, and dies there, may be reported
 * as a dead owner.
 *
 * Owner validation. A thread id in the word that belongs to no process whose session was given the
 * cell's location is invalid: a client has overwritten the word. A process that lost its session
 * without a goodbye (an orphan) remains valid while it lives, because the mutex is linked into the
 * list of its thread. While requests are queued the server validates the owner, at most every 10
 * ms, and marks an invalid one with FUTEX_OWNER_DIED, as the kernel would. A client that waits for
 * the mutex sends cell_notify every 50 ms.
 *
 * Lost notifications. A client that dies between its store, or its unlock, and its wake-up delays
 * local waiters by the rest of a slice of 50 ms; for waiters on the server, the server looks when
 * the connection of the dead client ends. If the dead client's session owned the lock on the
 * server, the server releases it.
 *
 * Reuse. A client may not know that its session has ended, or may be stopped, and write through its
 * pointer later. Therefore memory is given to another cell only when every session that was given
 * the location has released the cell or said goodbye; otherwise the memory is retired
 * (server/cells/segments.h). The end of a process does not suffice: its forked children have its
 * mappings too.
 *
 * Namespaces. Thread ids are relative to the owner's pid namespace: two containers both have a
 * thread 1. glibc would take the other container's lock for its own, and the kernel would mark a
 * mutex dead when a waiter with the owner's id dies. Therefore all clients of a mutex are in the
 * server's pid namespace; the server gives the location of Values and Arrays to no others, and
 * their locks are requests under the same rules. Raw kinds have no mutex and are shared with all
 * local clients.
 *
 * Hostile clients. A client may write anything anywhere at any time. The server keeps type, length
 * and location in its own memory, copies an element before it checks it, and blocks on nothing. The
 * server never reads `remote` back, and reads `owner` only to decide whether to wake waiters. So
 * damage is limited to the elements of that segment and the clients that use them
 * (tests/fuzz/fuzz_cells.c).
 *
 * The server's life. A separate page that clients can only read (F_SEAL_FUTURE_WRITE) has, after
 * its header, a robust mutex that a thread of the server owns while the server runs; when the
 * server is killed the kernel removes the thread id. Every call on a mapped cell checks the word,
 * so no client continues with the memory of a dead server; the inline functions of
 * <holdfast/numbers.h> do not check, as documented there.
 */
#ifndef HF_PROTO_CELL_LAYOUT_H
#define HF_PROTO_CELL_LAYOUT_H

#include "proto/shared_header.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CELL_HEADER_BYTES 64
#define CELL_ALIGNMENT 64

/* Parts of the futex word, as in <linux/futex.h>. */
#define CELL_WORD_THREAD UINT32_C(0x3fffffff)
#define CELL_WORD_DIED UINT32_C(0x40000000)

enum cell_flag {
  CELL_LOCAL_WAITS = 1,
  CELL_SERVER_WAITS = 2,
  CELL_DIED = 4,     /* an owner died, and no lock call has reported it */
  CELL_NOTIFIED = 8, /* the death that the word still names is in CELL_DIED, or was */
};

struct cell_header {
  union {
    pthread_mutex_t mutex;
    _Atomic uint32_t word;
    uint8_t mutex_room[48];
  };
  _Atomic uint32_t remote;
  _Atomic uint32_t flags;
  _Atomic uint32_t changes;
  _Atomic uint32_t owner;
};

static_assert(sizeof(pthread_mutex_t) <= 48, "layout");
static_assert(offsetof(struct cell_header, mutex) == 0, "layout");
static_assert(offsetof(struct cell_header, word) == 0, "layout");
static_assert(offsetof(struct cell_header, remote) == 48, "layout");
static_assert(offsetof(struct cell_header, flags) == 52, "layout");
static_assert(offsetof(struct cell_header, changes) == 56, "layout");
static_assert(offsetof(struct cell_header, owner) == 60, "layout");
static_assert(sizeof(struct cell_header) == CELL_HEADER_BYTES, "layout");
static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2,
              "an emulated atomic would use a lock of each process");

/* The segment of struct cell_life; other segments have larger ids. */
#define CELL_LIFE_SEGMENT 1

struct cell_life {
  struct shared_header header;
  union {
    pthread_mutex_t mutex;
    _Atomic uint32_t word;
  };
};

static_assert(offsetof(struct cell_life, mutex) == SHARED_HEADER_BYTES, "layout");
static_assert(offsetof(struct cell_life, word) == SHARED_HEADER_BYTES, "layout");

/* Whether the server has stopped. */
static inline bool cell_life_is_over(const struct cell_life *life) {
  return (atomic_load_explicit(&life->word, memory_order_relaxed) & CELL_WORD_THREAD) == 0;
}

static inline struct cell_header *cell_header_of(void *elements) {
  return (struct cell_header *)((char *)elements - CELL_HEADER_BYTES);
}

#endif
