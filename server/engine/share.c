#include "server/engine/share.h"

#include "server/engine/user.h"

#include <stdlib.h>

static void charge(struct cell_share *share, struct user *user) {
  memory_charge(share->memory, MEMORY_SHARED, share->location.bytes);
  share->user = user_share(user);
  user_recharge(user, 0, share->location.bytes);
}

struct cell_share *cell_share_new(const struct cell_host *host, struct memory *memory,
                                  struct user *user, size_t element_bytes, uint64_t object) {
  struct cell_share *share = host ? malloc(sizeof *share) : NULL;
  if (!share) {
    return NULL;
  }
  *share = (struct cell_share){.refs = 1, .memory = memory, .host = host};
  if (!host->create(host->ctx, object, element_bytes, &share->location)) {
    free(share);
    return NULL;
  }
  charge(share, user);
  return share;
}

struct cell_share *cell_share_restore(const struct cell_host *host, struct memory *memory,
                                      struct user *user, const struct cell_location *location) {
  struct cell_share *share = malloc(sizeof *share);
  if (share) {
    *share = (struct cell_share){.refs = 1, .memory = memory, .host = host, .location = *location};
    charge(share, user);
  }
  return share;
}

struct cell_share *cell_share_acquire(struct cell_share *share) {
  share->refs++;
  return share;
}

void cell_share_release(struct cell_share *share) {
  if (!share || --share->refs > 0) {
    return;
  }
  memory_refund(share->memory, MEMORY_SHARED, share->location.bytes);
  user_recharge(share->user, share->location.bytes, 0);
  user_release(share->user);
  if (share->is_retired) {
    share->host->retire(share->host->ctx, &share->location);
  } else {
    share->host->release(share->host->ctx, &share->location);
  }
  free(share);
}

void cell_share_retire(struct cell_share *share) {
  share->is_retired = true;
  cell_share_release(share);
}
