/* The undo log of a transaction: of each object the part that an operation is about to change.
 *
 *   capture, run, capture, run, ...   all went well: undo_deinit
 *                                     one failed:    undo_roll_back, undo_deinit
 *
 * layer   engine
 * memory  A roll-back can't fail: its memory is allocated before the change. Objects are pinned
 *         (dict_pin, list_pin) from the first capture to undo_deinit.
 * cost    O(log n) for each operation. Each item that a list loses costs up to 8 KiB meanwhile.
 */
#ifndef HF_ENGINE_UNDO_H
#define HF_ENGINE_UNDO_H

#include "server/engine/core.h"

struct undo;
struct undo_entry;

/* How a kind undoes a change. NULL: nothing to be done. */
struct undo_way {
  void (*put_back)(const struct undo *undo, struct undo_entry *entry);
  /* At the end, for all entries before the first is released, undone or not. Must not release the
   * entry's value. */
  void (*tidy)(struct undo_entry *entry);
  void (*release)(struct undo_entry *entry);
};

struct undo_entry {
  const struct undo_way *way; /* NULL: the operation reads, or will fail */
  struct object *object;
  /* Of the entry or item; VALUE_ABSENT: there was none. Of an element without a lock: what the operation stores
   * or adds. */
  struct value value;
  uint64_t bits; /* of the element: also of one that is no value, as a client may write it */
  const struct reply *outcome; /* of the operation; borrowed. Of an element without a lock only */
  union {
    struct {
      struct value key; /* as it was inserted first */
      struct dict_slot slot;
      bool has_slot;
    };
    struct {
      size_t position, len;
      struct taken taken; /* a queue's task */
      struct task *spare; /* malloc: memory to put it back */
    };
    struct {
      struct lock lock;
      uint64_t lease_end_ns; /* CLOCK_NEVER: no lease runs */
      bool is_expired;       /* the session lost it with a lease, and was not notified yet */
    };
    struct {
      struct semaphore semaphore;
      uint64_t permits; /* of the session */
    };
    struct {
      bool event_is_set;
      uint64_t released; /* of its waiters */
    };
  };
};

struct undo {
  struct call *call; /* of the transaction */
  struct undo_entry *entries;
  size_t count;
};

/* For up to `capacity` operations of the call. false: out of memory. */
bool undo_init(struct undo *undo, struct call *call, size_t capacity);
/* Before the operation, whose target is known, runs. HF_REASON_NONE | what the operation would fail
 * with: a bad key, NO_MEMORY ... */
hf_reason undo_capture(struct undo *undo, struct call *operation);
/* Everything is as it was before the first capture. */
void undo_roll_back(struct undo *undo);
/* For kinds: the transaction's call, as if it were on that object, for counting references. */
struct call undo_call_on(const struct undo *undo, struct object *object);
/* For kinds: counts the references of the entry's restored value for the object, and drops those of the
 * value that had replaced it. */
void undo_swap_back(const struct undo *undo, const struct undo_entry *entry, struct value dropped);
/* Lets the objects go, counts their memory anew. */
void undo_deinit(struct undo *undo);

#endif
