/* All locks that are owned or waited for. */
#include <stdlib.h>

#include "client/src/call/paging.h"
#include "client/src/call/sized.h"
#include "client/src/objects/object.h"

void hf_locks_free_sized(struct hf_lock_info *locks, size_t lock_size, size_t count) {
  for (size_t i = 0; locks != NULL && i < count; i++) {
    free(((struct hf_lock_info *)(void *)((uint8_t *)locks + i * lock_size))->waiters);
  }
  free(locks);
}

static void copy_party(const Holdfast__Party *from, struct hf_party *party) {
  *party = (struct hf_party){
      .session = from->session, .thread = from->thread, .waited_ms = from->waited_ms};
  result_copy_text(party->client, sizeof party->client, from->client);
}

static bool copy_waiters(const Holdfast__Lock *from, struct hf_lock_info *lock) {
  if (from->n_waiters == 0) {
    return true;
  }
  lock->waiters = calloc(from->n_waiters, sizeof *lock->waiters);
  if (lock->waiters == NULL) {
    return false;
  }
  lock->waiters_count = from->n_waiters;
  for (size_t i = 0; i < from->n_waiters; i++) {
    copy_party(from->waiters[i], &lock->waiters[i]);
  }
  return true;
}

static bool copy_lock(const Holdfast__Lock *from, struct hf_lock_info *lock) {
  *lock = (struct hf_lock_info){
      .id = from->object,
      .kind = (hf_kind)from->kind,
      .owned = from->owned,
      .token = from->token,
      .depth = from->depth,
      .lease_ms = from->lease_ms,
      .deadlocked = from->deadlocked,
      .more_waiters = from->more_waiters,
  };
  result_copy_text(lock->name, sizeof lock->name, from->name);
  if (from->owner != NULL) {
    copy_party(from->owner, &lock->owner);
  }
  return copy_waiters(from, lock);
}

struct listing {
  struct steps steps; /* first */
  struct paging paging;
  struct hf_lock_info **to;
  size_t *to_count;
  uint8_t *locks; /* items have the program's struct size */
  size_t count, lock_size;
  uint64_t after; /* where the next page begins */
};

/* first: struct listing * */
static hf_reason add_locks(hf_conn *conn, const Holdfast__Response *reply,
                           const struct result *result) {
  struct listing *listing = result->first;
  (void)conn;
  if (reply->result_case != HOLDFAST__RESPONSE__RESULT_LOCKS) {
    return HF_REASON_BAD_REPLY;
  }
  size_t more_count = reply->locks->n_items;
  size_t lock_size = listing->lock_size;
  uint8_t *locks = realloc(listing->locks, (listing->count + more_count + 1) * lock_size);
  if (locks == NULL) {
    return HF_REASON_NO_MEMORY;
  }
  listing->locks = locks;
  for (size_t i = 0; i < more_count; i++) {
    struct hf_lock_info lock;
    if (!copy_lock(reply->locks->items[i], &lock)) {
      return HF_REASON_NO_MEMORY;
    }
    sized_give(locks + listing->count++ * lock_size, lock_size, &lock, sizeof lock);
  }
  listing->paging.page_count = more_count;
  listing->paging.has_more = reply->locks->more;
  listing->paging.is_further = reply->locks->after > listing->after;
  listing->after = reply->locks->after;
  return HF_REASON_NONE;
}

static hf_status list_page(struct listing *listing) {
  struct request request;
  Holdfast__LockList arm = HOLDFAST__LOCK_LIST__INIT;
  request_of_conn(&request, listing->steps.conn, OPERATION(LOCK_LIST));
  request_ask(&request, add_locks, listing, NULL);
  arm.after = listing->after;
  return steps_send(&listing->steps, &request, &arm.base);
}

static hf_status list_step(struct steps *steps) {
  struct listing *listing = (struct listing *)steps;
  bool is_due;
  hf_status status = paging_next(&listing->paging, &is_due);
  return status == HF_OK && is_due ? list_page(listing) : status;
}

static hf_status list_end(struct steps *steps, hf_status status) {
  struct listing *listing = (struct listing *)steps;
  struct hf_lock_info *locks = (struct hf_lock_info *)(void *)listing->locks;
  if (status == HF_OK) {
    *listing->to = locks;
    *listing->to_count = listing->count;
  } else {
    hf_locks_free_sized(locks, listing->lock_size, listing->count);
  }
  return status;
}

hf_status hf_list_locks_sized(hf_conn *conn, struct hf_lock_info **locks, size_t lock_size,
                              size_t *count) {
  static const struct steps_kind kind = {sizeof(struct listing), list_step, NULL, list_end};
  struct listing listing = {.steps = {.kind = &kind, .conn = conn},
                            .paging = paging_begin(conn),
                            .to = locks,
                            .to_count = count,
                            .lock_size = lock_size};
  return steps_run(&listing.steps);
}
