#include "server/dispatch/budget.h"

#define SHARE 8
#define SMALL_SHARE 4 /* of the buffers' part */

static size_t part_of(size_t memory_bytes_max) {
  size_t part = memory_bytes_max / SHARE;
  part = part > HF_BUFFER_BYTES_MIN ? part : HF_BUFFER_BYTES_MIN;
  return part < HF_BUFFER_BYTES_MAX ? part : HF_BUFFER_BYTES_MAX;
}

void budget_init(struct budget *budget, size_t memory_bytes_max) {
  size_t part = part_of(memory_bytes_max);
  *budget = (struct budget){.buffers = {.bytes_max = part, .small_bytes = part / SMALL_SHARE},
                            .waiting_bytes_max = part};
  pthread_mutex_init(&budget->lock, NULL);
  TAILQ_INIT(&budget->listed);
}

void budget_deinit(struct budget *budget) {
  pthread_mutex_destroy(&budget->lock);
}

static void list(struct budget *budget, struct budget_account *account, uint64_t now_ns) {
  account->is_listed = true;
  account->is_chosen = false;
  account->since_ns = now_ns;
  account->moved = 0;
  TAILQ_INSERT_TAIL(&budget->listed, account, link);
}

static void unlist(struct budget *budget, struct budget_account *account) {
  account->is_listed = false;
  TAILQ_REMOVE(&budget->listed, account, link);
}

void budget_update_large(struct budget *budget, struct budget_account *account, size_t bytes,
                         size_t moved, uint64_t now_ns) {
  pthread_mutex_lock(&budget->lock);
  account->bytes = bytes;
  account->moved += moved;
  if (!account->is_listed) {
    list(budget, account, now_ns);
  } else if (bytes <= HF_BUDGET_BYTES_MIN) {
    unlist(budget, account);
  } else if (account->moved >= bytes) {
    account->since_ns = now_ns;
    account->moved = 0;
  }
  pthread_mutex_unlock(&budget->lock);
}

void budget_forget(struct budget *budget, struct budget_account *account) {
  if (account->is_listed) {
    budget_update_large(budget, account, 0, 0, account->since_ns);
  }
}

void budget_wait(struct budget *budget, size_t bytes) {
  atomic_fetch_add_explicit(&budget->waiting_bytes, bytes, memory_order_relaxed);
}

void budget_end_wait(struct budget *budget, size_t bytes) {
  atomic_fetch_sub_explicit(&budget->waiting_bytes, bytes, memory_order_relaxed);
}

bool budget_is_exceeded(struct budget *budget) {
  return atomic_load_explicit(&budget->waiting_bytes, memory_order_relaxed) >
         budget->waiting_bytes_max;
}

static double score_of(const struct budget_account *account, uint64_t now_ns) {
  uint64_t age_ns = now_ns > account->since_ns ? now_ns - account->since_ns : 0;
  bool is_young = age_ns < HF_BUDGET_MS_MIN * CLOCK_NS_PER_MS;
  return is_young ? 0 : (double)account->bytes * (double)age_ns;
}

uint64_t budget_choose(struct budget *budget, uint64_t now_ns) {
  struct budget_account *account, *worst = NULL;
  double worst_score = 0;
  pthread_mutex_lock(&budget->lock);
  TAILQ_FOREACH(account, &budget->listed, link) {
    double score = score_of(account, now_ns);
    if (account->is_chosen) {
      worst = NULL;
      break;
    }
    if (score > worst_score) {
      worst = account;
      worst_score = score;
    }
  }
  if (worst != NULL) {
    worst->is_chosen = true;
  }
  uint64_t connection = worst != NULL ? worst->connection : 0;
  pthread_mutex_unlock(&budget->lock);
  return connection;
}
