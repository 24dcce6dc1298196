/* What the session holds: references to give back, and the handles that are open.
 *
 * layer   client
 * threads Connection's mutex held.
 */
#ifndef HF_CLIENT_HOLDS_H
#define HF_CLIENT_HOLDS_H

#include <holdfast/holdfast.h>

/* Every handle of the public API is one of these. */
struct hf_object {
  hf_conn *conn;
  uint64_t id;
  hf_kind kind;
  uint32_t end;     /* pipes: 0 or 1 */
  bool is_attached; /* pipes: holds its end; not when opened by hf_open or from a reference */
  struct hf_object *next, *previous;
};

struct release {
  uint64_t object, count;
};

/* Holds to be given back with the next call. */
struct releases {
  struct release *items;
  size_t count, capacity;
};

/* Queues one hold of the object to be given back. Out of memory: it stays held until the session
 * ends. */
void holds_release(hf_conn *conn, uint64_t object);
/* Requests that holds_submit will make; the window must have room for them. */
uint32_t holds_pending(const hf_conn *conn);
/* Submits what is queued; in a forked child first what it inherited. Nobody waits for the replies.
 */
void holds_submit(hf_conn *conn);
/* Submits a hold of one more object, ahead of whatever uses it. */
void holds_acquire(hf_conn *conn, uint64_t object);

/* A handle that holds one reference already. NULL: out of memory, the hold is given back. */
struct hf_object *handle_new(hf_conn *conn, uint64_t id, hf_kind kind);
/* Frees the handle and gives its hold back. */
void handle_free(struct hf_object *handle);

#endif
