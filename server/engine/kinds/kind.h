/* The kinds of objects: a row of functions for each.
 *
 * layer   engine
 * To add a kind: see ../../ARCHITECTURE.md, "To add".
 * A function that is NULL has nothing to do for that kind. While an object is lent (job.h), only bytes,
 * length, lock, report and the functions of "waiters, and the end" are called.
 */
#ifndef HF_ENGINE_KINDS_KIND_H
#define HF_ENGINE_KINDS_KIND_H

#include "proto/holdfast.pb-c.h"
#include "proto/status.h"
#include "proto/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct call;
struct content_cursor;
struct engine;
struct job;
struct lock;
struct object;
struct object_shape;
struct reply;
struct reply_object;
struct restoring;
struct session;
struct snapshot_out;
struct snapshot_record;
struct undo_entry;
struct waiter;

/* What an object takes beside itself. */
struct content_bytes {
  size_t all;
  size_t values; /* of the values: in a list with their slots, in a dict without the index */
};

struct kind {
  /* ---- opening */

  /* The kind's own part of the shape. HF_REASON_NONE | BAD_ARGUMENT BAD_TYPECODE OBJECT_TOO_BIG */
  hf_reason (*read_shape)(const Holdfast__ObjectOpen *message, struct object_shape *shape);
  /* Whether the object is what the shape asks for. NULL: always. */
  bool (*has_shape)(const struct object *object, const struct object_shape *shape);
  /* Before an object of that shape is made. HF_REASON_NONE | NO_SUCH_OBJECT WRONG_KIND */
  hf_reason (*check_shape)(const struct call *call, const struct object_shape *shape);
  /* Makes the object empty. Its kind, id and queues are there, the rest is zero. false: out of memory. */
  bool (*init)(struct object *object, const struct object_shape *shape,
               const struct value_hash_key *hash_key);
  /* The new object, call->object, is in the registry. */
  void (*begin)(struct call *call, const struct object_shape *shape);
  /* Stores the values (malloc) that the object begins with. They are taken, also on failure. NULL: the kind
   * ignores them. */
  hf_reason (*fill)(struct call *call, struct value *values, size_t count);
  /* The same for packed elements, of which read_shape has found the right number. NULL: refused. */
  void (*fill_packed)(struct object *object, const ProtobufCBinaryData *elements);

  /* ---- content */

  /* Frees the content. By any thread, of an object that is in no registry. */
  void (*deinit)(struct object *object);
  /* Runs after each operation: O(1). */
  struct content_bytes (*bytes)(const struct object *object);
  uint64_t (*length)(const struct object *object);
  bool is_counted; /* a condition may ask for its length */
  /* See object_next_value. */
  bool (*next_value)(const struct object *object, struct content_cursor *cursor,
                     struct value *value);
  /* See object_take_content; `taken` is all zero but for what all kinds have. false: out of memory,
   * unchanged. NULL: no operation takes it. */
  bool (*take_content)(struct object *object, struct object *taken,
                       const struct value_hash_key *hash_key);
  /* Moves the content that a job works on into the job, and back. NULL: the content stays, and nothing
   * touches it meanwhile. */
  void (*lend)(struct object *object, struct job *job);
  void (*bring_back)(struct object *object, struct job *job);
  /* See object_lock; the same for the object's whole life. NULL: the kind has no lock. */
  struct lock *(*lock)(struct object *object);
  /* See core_guard_of. NULL: the object itself. */
  struct object *(*guard)(const struct engine *engine, struct object *object);
  bool has_cells; /* object->cells, which may lie in shared memory */
  /* Fills the kind's part of object_info. */
  void (*report)(const struct object *object, struct reply_object *reported);

  /* Records what an operation of a transaction will change, before it runs: see undo.h. NULL: no operation
   * that changes the object may be in a transaction. HF_REASON_NONE | what the operation would fail with */
  hf_reason (*capture)(struct undo_entry *entry, struct call *call);

  /* Revokes what an unacknowledged reply took out of the object. */
  void (*revoke)(struct engine *engine, struct session *session, struct object *object,
                 const struct reply *reply);

  /* ---- snapshots: see snapshot_parts.h */

  /* Writes the object's content and parameters, in records of the kind's own, from RECORD_CONTENT on.
   * NULL: the kind has neither. */
  void (*snapshot)(const struct object *object, struct snapshot_out *out);
  /* Reads one of these records into the object, which was made of a shape that is all zero. After the last
   * record there is a call with record->number 0, which checks that the object is whole. The bytes may be
   * damaged: everything in them is checked. false: in.why */
  bool (*restore)(struct restoring *restoring, struct object *object,
                  const struct snapshot_record *record);

  /* ---- waiters, and the end */

  /* A waiter that waited for waiter->object, of this kind, leaves without an answer of its handler. */
  void (*leave_wait)(struct engine *engine, const struct waiter *waiter);
  /* A waiter ends after part of its work: makes the reply say how much was done, instead of an error. false:
   * nothing was done. */
  bool (*answer_part)(const struct waiter *waiter);
  /* The object is about to leave the registry. */
  void (*stop)(struct engine *engine, struct object *object);
  /* After stop: sessions forget what they have of the object, such as reservations. false: the steps are used up,
   * and disown is called again later. */
  bool (*disown)(struct engine *engine, struct object *object);
};

/* Each in the file of its name, or of its family. */
extern const struct kind kind_dict, kind_list, kind_queue, kind_pipe, kind_namespace, kind_value,
    kind_array, kind_raw_value, kind_raw_array, kind_lock, kind_rlock, kind_semaphore,
    kind_bounded_semaphore, kind_event, kind_condition, kind_barrier;

#endif
