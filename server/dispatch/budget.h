/* The server's memory that connections use beside what is stored: incomplete requests, encoded
 * replies, and replies that wait until they can be encoded.
 *
 * layer   dispatch; used by dispatch and by connection
 * shapes  two accounts a connection, one for each direction; accounts above HF_BUDGET_BYTES_MIN are
 *         listed
 * threads any
 * memory  borrows accounts from the first budget_update to budget_forget
 *
 * When memory runs out, the connection that has used most for longest is closed: the score of an
 * account is bytes times age. The age begins anew whenever as many bytes have moved as the account
 * has, so a peer that takes its replies at a fair pace stays young. An account younger than
 * HF_BUDGET_MS_MIN is never chosen.
 */
#ifndef HF_DISPATCH_BUDGET_H
#define HF_DISPATCH_BUDGET_H

#include "proto/base/buffer.h"
#include "proto/base/clock.h"
#include "proto/limits.h"

#include <pthread.h>
#include <sys/queue.h>

/* One direction of one connection; all zero but for the connection at first. Changed by one thread
 * at a time. */
struct budget_account {
  uint64_t connection;
  size_t bytes;      /* in use */
  size_t moved;      /* bytes since since_ns */
  uint64_t since_ns; /* when its age began */
  bool is_listed;
  bool is_chosen; /* its connection is being closed */
  TAILQ_ENTRY(budget_account) link;
};

struct budget {
  struct buffer_budget buffers;
  atomic_size_t waiting_bytes; /* that replies may keep in memory while they wait */
  size_t waiting_bytes_max;
  pthread_mutex_t lock; /* for `listed` and the accounts in it */
  TAILQ_HEAD(, budget_account) listed;
};

/* A part of what is stored at most: buffers an eighth, and waiting replies another. */
void budget_init(struct budget *budget, size_t memory_bytes_max);
void budget_deinit(struct budget *budget);

void budget_update_large(struct budget *budget, struct budget_account *account, size_t bytes,
                         size_t moved, uint64_t now_ns);
/* The account has so many bytes now, after so many moved. */
static inline void budget_update(struct budget *budget, struct budget_account *account,
                                 size_t bytes, size_t moved) {
  if (bytes > HF_BUDGET_BYTES_MIN || account->is_listed) {
    budget_update_large(budget, account, bytes, moved, clock_now_ns());
  }
}
void budget_forget(struct budget *budget, struct budget_account *account);

/* Waiting replies of so many bytes are added, or gone. */
void budget_wait(struct budget *budget, size_t bytes);
void budget_end_wait(struct budget *budget, size_t bytes);
bool budget_is_exceeded(struct budget *budget);

/* The connection that is to be closed to make room; 0: no account is old enough, or the connection
 * chosen before is not gone yet. */
uint64_t budget_choose(struct budget *budget, uint64_t now_ns);

#endif
