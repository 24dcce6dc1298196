/* Objects of any kind: handles, names, references.
 * Included by <holdfast/holdfast.h>. */
#ifndef HOLDFAST_OBJECT_H
#define HOLDFAST_OBJECT_H

#include <holdfast/connection.h>
#include <holdfast/value.h>

HF_BEGIN_DECLARATIONS

/* Each kind has its own handle type, with the same lifetime:
 *
 *   hf_<kind>_open(conn, name, ..)  opens the named object, or creates it; a NULL name creates an
 *                                   anonymous object, which lives while a session or a container
 *                                   refers to it
 *   hf_<kind>_close(handle)         frees the handle and drops its reference; a named object stays
 *
 * All handle types are views of one struct; functions for any kind take hf_object. */
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
/* Deletes the object for all sessions: waiting calls on it answer ABORTED OBJECT_DELETED. The
 * handle is still to be closed. */
HF_CHECKED hf_status hf_object_delete(hf_object *object);
/* Deletes by name. NOT_FOUND NO_SUCH_OBJECT */
HF_CHECKED hf_status hf_delete(hf_conn *conn, const char *name);
/* Opens an existing object by its name. NOT_FOUND NO_SUCH_OBJECT | INVALID_ARGUMENT WRONG_KIND if
 * its kind is not `kind`; HF_ANY accepts all */
HF_CHECKED hf_status hf_open(hf_conn *conn, const char *name, hf_kind kind, hf_object **object);
/* Opens an existing object by its id, which another process got from hf_object_id, while something
 * refers to the object. The server does not compare the kind: if it is wrong, calls answer
 * WRONG_KIND. NOT_FOUND NO_SUCH_OBJECT | INVALID_ARGUMENT BAD_ARGUMENT HF_ANY */
HF_CHECKED hf_status hf_object_open(hf_conn *conn, uint64_t id, hf_kind kind, hf_object **object);
/* Frees a handle of any kind. NULL is ignored. */
HF_API void hf_object_close(hf_object *object);
/* Lists the named objects whose names begin with `prefix`, of one kind or HF_ANY. Free *infos with
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
/* Opens a handle on the object that a returned reference refers to. `value` is taken and becomes
 * none. If the object was deleted meanwhile, calls on the handle say so. An item of a tuple is a call
 * to the server. INVALID_ARGUMENT WRONG_TYPE `value` is not a reference that a call on this
 * connection returned */
HF_CHECKED hf_status hf_reference_open(hf_conn *conn, hf_value *value, hf_object **object);

HF_END_DECLARATIONS

#endif
