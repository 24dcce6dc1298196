/* Every lock that is held or waited for. */
#include <stdlib.h>

#include "client/src/object.h"

void hf_locks_free(struct hf_lock_info *locks, size_t count) {
  for (size_t i = 0; locks != NULL && i < count; i++) {
    free(locks[i].waiters);
  }
  free(locks);
}

static void copy_party(const Holdfast__Party *from, struct hf_party *party) {
  *party = (struct hf_party){
      .session = from->session, .caller = from->caller, .waited_ms = from->waited_ms};
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
      .held = from->held,
      .token = from->token,
      .depth = from->depth,
      .lease_ms = from->lease_ms,
      .deadlocked = from->deadlocked,
  };
  result_copy_text(lock->name, sizeof lock->name, from->name);
  if (from->holder != NULL) {
    copy_party(from->holder, &lock->holder);
  }
  return copy_waiters(from, lock);
}

/* first: struct hf_lock_info **, second: size_t * */
static hf_reason take_locks(hf_conn *conn, const Holdfast__Response *reply,
                            const struct result *result) {
  (void)conn;
  if (reply->result_case != HOLDFAST__RESPONSE__RESULT_LOCKS) {
    return HF_REASON_BAD_REPLY;
  }
  size_t count = reply->locks->n_items;
  struct hf_lock_info *locks = calloc(count > 0 ? count : 1, sizeof *locks);
  for (size_t i = 0; locks != NULL && i < count; i++) {
    if (!copy_lock(reply->locks->items[i], &locks[i])) {
      hf_locks_free(locks, i);
      locks = NULL;
    }
  }
  if (locks == NULL) {
    return HF_REASON_NO_MEMORY;
  }
  *(struct hf_lock_info **)result->first = locks;
  *(size_t *)result->second = count;
  return HF_REASON_NONE;
}

hf_status hf_list_locks(hf_conn *conn, struct hf_lock_info **locks, size_t *count) {
  struct request request;
  Holdfast__LockList arm = HOLDFAST__LOCK_LIST__INIT;
  request_of_conn(&request, conn, OPERATION(LOCK_LIST));
  request_ask(&request, take_locks, locks, count);
  return request_send(&request, &arm.base);
}
