#include "client/cli/lock_tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/output.h"
#include "client/cli/terminal.h"

/* Deeper locks begin a tree of their own. */
#define DEPTH_MAX 60

/* ------------------------------------------------------------------ for people */

struct tree {
  const struct hf_lock_info *locks;
  size_t count;
  enum visit { NOT_VISITED, ABOVE, DONE } * visits; /* ABOVE: between the root and this lock */
};

static bool is_same(const struct hf_party *a, const struct hf_party *b) {
  return a->session != 0 && a->session == b->session && a->thread == b->thread;
}

static bool waits_for_any(const struct tree *tree, const struct hf_party *party) {
  for (size_t i = 0; i < tree->count; i++)
    for (size_t j = 0; j < tree->locks[i].waiters_count; j++)
      if (is_same(party, &tree->locks[i].waiters[j]))
        return true;
  return false;
}

static void print_head(const struct hf_lock_info *lock, int depth) {
  printf("%*s", 2 * depth, "");
  if (lock->name[0] != '\0')
    terminal_put(stdout, lock->name);
  else
    printf("#%" PRIu64, lock->id);
  printf(" (%s): ", hf_kind_name(lock->kind));
}

static void print_owner(const struct hf_lock_info *lock) {
  if (!lock->owned) {
    puts("free");
    return;
  }
  terminal_put(stdout, lock->owner.session != 0 ? lock->owner.client : "left locked");
  printf(", token %" PRIu64, lock->token);
  if (lock->depth > 1)
    printf(", %" PRIu64 " times", lock->depth);
  if (lock->lease_ms > 0)
    printf(", lease %" PRIu64 " ms", lock->lease_ms);
  putchar('\n');
}

static void print_lock(struct tree *tree, size_t idx, int depth);

static void print_waiter(struct tree *tree, const struct hf_party *waiter, int depth) {
  printf("%*s", 2 * depth, "");
  terminal_put(stdout, waiter->session == 0 ? "?" : waiter->client);
  printf(" waits %" PRIu64 " ms\n", waiter->waited_ms);
  for (size_t i = 0; i < tree->count; i++)
    if (tree->locks[i].owned && is_same(waiter, &tree->locks[i].owner))
      print_lock(tree, i, depth + 1);
}

/* Prints the waiters of each lock once, even if several paths lead to the lock. */
static void print_lock(struct tree *tree, size_t idx, int depth) {
  const struct hf_lock_info *lock = &tree->locks[idx];
  print_head(lock, depth);
  if (depth > DEPTH_MAX) {
    puts("see below");
    return;
  }
  if (tree->visits[idx] != NOT_VISITED) {
    puts(tree->visits[idx] == ABOVE ? "deadlock" : "see above");
    return;
  }
  print_owner(lock);
  tree->visits[idx] = ABOVE;
  for (size_t i = 0; i < lock->waiters_count; i++)
    print_waiter(tree, &lock->waiters[i], depth + 1);
  if (lock->more_waiters > 0)
    printf("%*sand %llu more\n", 2 * (depth + 1), "", (unsigned long long)lock->more_waiters);
  tree->visits[idx] = DONE;
}

/* First the locks whose owners wait for nothing; the others are in a cycle, or wait for one. */
static void print_tree(struct cli *cli, const struct hf_lock_info *locks, size_t count) {
  struct tree tree = {locks, count, cli_alloc(cli, (count + 1) * sizeof *tree.visits)};
  for (size_t i = 0; i < count; i++)
    if (tree.visits[i] == NOT_VISITED && !waits_for_any(&tree, &locks[i].owner))
      print_lock(&tree, i, 0);
  for (size_t i = 0; i < count; i++)
    if (tree.visits[i] == NOT_VISITED && locks[i].deadlocked)
      print_lock(&tree, i, 0);
  for (size_t i = 0; i < count; i++)
    if (tree.visits[i] == NOT_VISITED)
      print_lock(&tree, i, 0);
}

/* ------------------------------------------------------------------ for programs */

/* A party of session 0 made its request without a session. */
static json_t *party_members(const struct hf_party *party) {
  return json_pack("{s:s, s:I, s:I}", "client", party->client, "session",
                   (json_int_t)party->session, "thread", (json_int_t)party->thread);
}

static json_t *waiters_array(const struct hf_lock_info *lock) {
  json_t *waiters = json_array();
  for (size_t i = 0; i < lock->waiters_count; i++) {
    json_t *waiter = party_members(&lock->waiters[i]);
    json_object_set_new(waiter, "waited_ms", json_integer((json_int_t)lock->waiters[i].waited_ms));
    json_array_append_new(waiters, waiter);
  }
  return waiters;
}

static json_t *lock_members(const struct hf_lock_info *lock) {
  json_t *members =
      json_pack("{s:I, s:s, s:s, s:b, s:I, s:I, s:I, s:b}", "id", (json_int_t)lock->id, "kind",
                hf_kind_name(lock->kind), "name", lock->name, "owned", (int)lock->owned, "token",
                (json_int_t)lock->token, "depth", (json_int_t)lock->depth, "lease_ms",
                (json_int_t)lock->lease_ms, "deadlocked", (int)lock->deadlocked);
  json_object_set_new(members, "owner",
                      lock->owner.session == 0 ? json_null() : party_members(&lock->owner));
  json_object_set_new(members, "waiters", waiters_array(lock));
  json_object_set_new(members, "more_waiters", json_integer((json_int_t)lock->more_waiters));
  return members;
}

static int print_rows(const struct cli *cli, const struct hf_lock_info *locks, size_t count) {
  static const char *const columns[] = {"id",    "name",  "kind",    "owned",
                                        "token", "owner", "waiters", NULL};
  json_t *rows = json_array();
  for (size_t i = 0; i < count; i++)
    json_array_append_new(rows, lock_members(&locks[i]));
  return output_rows(cli, "locks", rows, columns);
}

int lock_tree_print(struct cli *cli, hf_object *object) {
  (void)object;
  struct hf_lock_info *locks;
  size_t count;
  int code = CLI_YES;
  if (hf_list_locks(cli->conn, &locks, &count) != HF_OK)
    return cli_fail(cli);
  if (cli->options.format == CLI_TABLE)
    print_tree(cli, locks, count);
  else
    code = print_rows(cli, locks, count);
  hf_locks_free(locks, count);
  return code;
}
