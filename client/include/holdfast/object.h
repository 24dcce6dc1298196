/* Objects of any kind: handles, names, references.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_OBJECT_H
#define HOLDFAST_OBJECT_H

#include <holdfast/connection.h>
#include <holdfast/value.h>

HF_BEGIN_DECLARATIONS

/* Every kind has its own handle type below, with the same life:
 *
 *   hf_<kind>_open(conn, name, ..)  opens the named object, or creates it; NULL as the name creates
 *                                   an anonymous one, which lives while a session or container
 *                                   refers to it
 *   hf_<kind>_close(handle)         frees the handle and drops its reference; a named object stays
 *
 * All are views of one struct; hf_object is what the calls for any kind take. */
typedef struct hf_object hf_object;
typedef struct hf_dict hf_dict;
typedef struct hf_list hf_list;
typedef struct hf_queue hf_queue;
typedef struct hf_pipe hf_pipe;
typedef struct hf_namespace hf_namespace;
typedef struct hf_cell hf_cell;           /* Value and RawValue; `hf_value` is the datum */
typedef struct hf_array hf_array;         /* Array and RawArray */
typedef struct hf_lock hf_lock;           /* Lock and RLock */
typedef struct hf_semaphore hf_semaphore; /* Semaphore and BoundedSemaphore */
typedef struct hf_event hf_event;
typedef struct hf_condition hf_condition;
typedef struct hf_barrier hf_barrier;

#define HF_AS_OBJECT(handle) ((hf_object *)(handle))

struct hf_object_info {
  uint64_t id;
  hf_kind kind;
  char name[256]; /* "" for an anonymous object */
  uint64_t length;
  int64_t maxsize;
  char typecode;
  uint64_t waiting, references, unfinished, token;
  bool locked;
  char owner[256];
  uint64_t value;            /* semaphores: what may still be acquired; events: 1 when set */
  uint64_t parties, arrived; /* barriers */
  bool broken;
  uint64_t delayed, reserved, buried; /* queues */
  bool shut_down;
  uint64_t lease_ms; /* locks: of the current grant; 0: none */
};

HF_API const char *hf_kind_name(hf_kind kind); /* "dict", ..., "raw_value" */
HF_API hf_kind hf_kind_find(const char *name); /* HF_ANY for an unknown one */
HF_API hf_conn *hf_object_conn(const hf_object *object);
HF_API uint64_t hf_object_id(const hf_object *object);
HF_API hf_kind hf_object_kind(const hf_object *object);
HF_CHECKED hf_status hf_object_info_sized(hf_object *object, struct hf_object_info *info,
                                          size_t info_size);
HF_INLINE hf_status hf_object_info(hf_object *object, struct hf_object_info *info) {
  return hf_object_info_sized(object, info, sizeof *info);
}
/* Deletes the object for everybody; who waits on it gets ABORTED OBJECT_DELETED. Close the handle
 * too. */
HF_CHECKED hf_status hf_object_delete(hf_object *object);
/* Deletes by name. NOT_FOUND NO_SUCH_OBJECT */
HF_CHECKED hf_status hf_delete(hf_conn *conn, const char *name);
/* Opens whatever has that name. NOT_FOUND NO_SUCH_OBJECT | INVALID_ARGUMENT WRONG_KIND unless kind
 * is HF_ANY */
HF_CHECKED hf_status hf_open(hf_conn *conn, const char *name, hf_kind kind, hf_object **object);
/* Frees any handle. NULL is harmless. */
HF_API void hf_object_close(hf_object *object);
/* Lists the named objects beginning with prefix, of one kind or HF_ANY. out infos is freed by
 * free(). */
HF_CHECKED hf_status hf_list_objects_sized(hf_conn *conn, const char *prefix, hf_kind kind,
                                           struct hf_object_info **infos, size_t info_size,
                                           size_t *count);
HF_INLINE hf_status hf_list_objects(hf_conn *conn, const char *prefix, hf_kind kind,
                                    struct hf_object_info **infos, size_t *count) {
  return hf_list_objects_sized(conn, prefix, kind, infos, sizeof **infos, count);
}

/* A value that refers to the object, to be stored in containers. Valid while the handle is open. */
HF_API hf_value hf_reference(const hf_object *object);
/* Turns a reference that came back from a call into a handle. `value` is taken and becomes none.
 * INVALID_ARGUMENT WRONG_TYPE not a reference from a call on this connection */
HF_CHECKED hf_status hf_reference_open(hf_conn *conn, hf_value *value, hf_object **object);

HF_END_DECLARATIONS

#endif
