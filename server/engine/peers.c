#include "server/engine/peers.h"

#include "server/engine/binding.h"
#include "server/engine/parking.h"
#include "server/engine/sessions.h"
#include "server/engine/settle.h"
#include "server/engine/steps.h"

#include <stdlib.h>

static void free_peer(struct engine *engine, struct peer *peer) {
  address_release(&engine->addresses, peer->address);
  core_uncount_peer(peer);
  user_release(peer->user);
  free(peer);
}

void core_free_peers(struct engine *engine) {
  uint64_t position = 0, id;
  void *peer;
  while (map64_next(&engine->peers, &position, &id, &peer)) {
    free_peer(engine, peer);
  }
  map64_deinit(&engine->peers);
  map64_deinit(&engine->addresses);
}

bool core_add_peer(struct engine *engine, const struct command *command) {
  bool is_owner = command->user.len == 0;
  struct user *user = is_owner ? NULL : users_find_name(&engine->users, command->user);
  bool is_known = is_owner || (user && !user->is_gone);
  struct peer *peer = is_known ? malloc(sizeof *peer) : NULL;
  if (!peer) {
    return false;
  }
  *peer = (struct peer){.id = command->connection,
                        .one_way = command->one_way,
                        .address = address_acquire(&engine->addresses, command->address)};
  TAILQ_INIT(&peer->waiters);
  TAILQ_INIT(&peer->sessions);
  if (peer->address && map64_set(&engine->peers, peer->id, peer)) {
    peer->user = user_share(user);
    (void)core_count_peer(engine, peer); /* its requests are answered so */
    return true;
  }
  if (peer->address) {
    address_release(&engine->addresses, peer->address);
  }
  free(peer);
  return false;
}

void core_remove_peer(struct engine *engine, uint64_t now_ns, uint64_t id) {
  struct peer *peer = core_peer(engine, id);
  struct waiter *waiter;
  if (!peer) {
    return;
  }
  while ((waiter = TAILQ_FIRST(&peer->waiters))) {
    core_drop_waiter(engine, waiter);
  }
  if (peer->session) {
    core_lose_session(engine, now_ns, peer->session);
  }
  core_leave_peer(peer);
  map64_remove(&engine->peers, id);
  free_peer(engine, peer);
}
