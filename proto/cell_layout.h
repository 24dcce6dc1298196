/* Cells in shared memory, byte by byte: what the server and clients on its machine both write.
 *
 * layer   proto
 * source  fcntl(2): a memfd sealed against shrinking and growing can't be pulled away under a
 *         reader; what glibc and the kernel do with a robust mutex (glibc's pthread_mutex_lock.c, the
 *         kernel's handle_futex_death)
 *
 * A segment is a sealed memfd, which begins with a header (shared_header.h). Small cells share one of
 * HF_ARENA_BYTES, a larger one has its own. A cell is a header of 64 bytes at a multiple of 64, then its elements (cell_type.h):
 *
 *   offset  bytes  word     written by              meaning
 *        0  48     mutex    clients; the kernel     robust, process-shared, recursive; its first
 *                           or server when one dies word is the futex's: the holder's thread id,
 *                                                   FUTEX_WAITERS, FUTEX_OWNER_DIED
 *       48  4      remote   server                  1: it has the lock, or wants it
 *       52  4      flags    both, single bits       see below
 *       56  4      changes  both, counted up        what waits for a change sleeps on this futex
 *       60  4      owner    server                  low half of the object's id; 0: deleted
 *       64         elements both
 *
 * The lock. Local threads lock the mutex; the server never does, because the lists that a mutex is
 * in are pointers which any client could have scribbled over. It reads the futex's word, and writes
 * there only that a holder is dead. Dekker's handshake decides between them:
 *
 *   a client locks the mutex, then loads `remote`    the server stores `remote` = 1, then loads the
 *   0: it has the lock                               word
 *   1: it unlocks, and asks the server, where it     no thread id: it has the lock
 *      stands in line with everybody else            else it waits; the next one who unlocks and
 *                                                    sees `remote` notifies it (cell_notify), and it
 *                                                    looks now and then by itself
 *
 * Between the store and the load of each side lies a full barrier, so at least one of them sees the
 * other. Once the server has seen no thread id it has the lock for as long as it leaves `remote` at
 * 1: whoever locks the mutex after that sees it and goes away again without a store. It sets
 * `remote` back when its line is empty and nobody holds its grant.
 *
 * Elements. The holder of the lock publishes each by one store of its size; unlocking is a release,
 * locking an acquire. Raw kinds have no lock: single stores, atomic exchanges, nothing more; a
 * store says nothing about other elements.
 *
 * Changes. Who waits reads `changes`, sets its flag, then reads the element, and if that is as it
 * was sleeps until `changes` is another number. Who writes stores the element, then loads the flags;
 * for each it finds it counts `changes` up and wakes (CELL_LOCAL_WAITS, which it clears first), or
 * sends cell_notify (CELL_SERVER_WAITS). Of raw kinds a full barrier lies between store and load,
 * again; with a lock both sides do it while they have that. A flag may be cleared that was set a
 * moment ago, after the store; `changes`, which was read before that, is another number then, and
 * who set the flag looks again.
 *
 * A client that dies with the mutex has published whole elements only. The kernel puts
 * FUTEX_OWNER_DIED into the word and wakes one who waits; that one makes the mutex consistent and
 * sets CELL_DIED, so that the next who asks for the lock as such is told, here or by the server.
 * When the server is first, it sets CELL_DIED itself, and CELL_NOTIFIED, which the one who takes the
 * mutex over then takes away instead of setting CELL_DIED again. The server sets CELL_NOTIFIED before
 * it reads the word, and takes it back if the word says nothing; when it is gone by then, one who
 * died was found in between, and the server sets CELL_DIED for it. Who locks the mutex only to see
 * `remote`, and dies there, may count as a holder.
 *
 * A thread id that no process has whose session was told of the cell is nobody's: it was scribbled
 * there. A process that lost its session without a goodbye counts as long as it lives, because the
 * mutex is in a list of its thread's. While others wait the server looks for that, at most every 10 ms,
 * and then writes FUTEX_OWNER_DIED over it, as the kernel would. Who waits for the mutex notifies the
 * server every 50 ms.
 *
 * A client that dies between its store or unlock and waking others costs those on this machine the
 * rest of a slice of 50 ms; for those who wait at the server it looks when the connection ends.
 * When the server's session of a client that dies had the lock, the server sees to it.
 *
 * A client whose session has ended may not know it, or be stopped: it writes through its pointer
 * when it goes on. So a place is given to another cell only when every session that was told of it
 * let go of the cell, or said goodbye; else the place is retired (server/cells/segments.h). A process is
 * not asked whether it lives: children that it forked have its mappings too.
 *
 * Thread ids are those of the holder's namespace of process ids: in two containers there is a
 * thread 1 in each. glibc would take the other's lock for one of its own, and the kernel would free
 * it when a thread of the same id dies in line. So all clients of a mutex are of one namespace, the
 * server's; it tells no others where a Value or Array is. Their locks are the server's, under the
 * same rules. Raw kinds have no mutex, and are shared with all.
 *
 * A hostile client may write anything anywhere at any time. The server keeps type, length and place
 * in its own memory, copies an element before it looks at it, and waits for nothing. What it writes
 * alone it does not need to read: `remote` never, `owner` for no more than whether to wake others.
 * So only the elements of that segment, and who uses them, suffer (tests/fuzz/fuzz_cells.c).
 *
 * The server's life. A page apart, which clients can only read (F_SEAL_FUTURE_WRITE), has behind its
 * header a robust mutex that a thread of the server holds as long as it lives: when it is killed the kernel
 * takes the thread id away. Clients look at it in each call, so that nobody goes on with memory
 * that no server knows; but not in the inline functions of <holdfast/numbers.h>, which say so.
 */
#ifndef HF_PROTO_CELL_LAYOUT_H
#define HF_PROTO_CELL_LAYOUT_H

#include "proto/shared_header.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define CELL_HEADER_BYTES 64
#define CELL_ALIGNMENT 64

/* Of the futex's word; <linux/futex.h> has the same. */
#define CELL_WORD_THREAD UINT32_C(0x3fffffff)
#define CELL_WORD_DIED UINT32_C(0x40000000)

enum cell_flag {
  CELL_LOCAL_WAITS = 1,
  CELL_SERVER_WAITS = 2,
  CELL_DIED = 4,     /* a holder, and nobody was told */
  CELL_NOTIFIED = 8, /* CELL_DIED says it, or did; so does the word, still */
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
              "a lock would be the process's own");

/* The segment of the server's life. The others count up from here. */
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

static inline struct cell_header *cell_header_of(void *elements) {
  return (struct cell_header *)((char *)elements - CELL_HEADER_BYTES);
}

#endif
