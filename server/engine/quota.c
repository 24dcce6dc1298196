#include "server/engine/quota.h"

static struct denial *begin(struct engine *engine, const struct user *user, hf_reason reason) {
  struct denial *denial = &engine->denial;
  denial_begin(denial, reason);
  denial_add(denial, "user ");
  denial_add_name(denial, user_name(user));
  return denial;
}

static hf_reason refuse_memory(struct engine *engine, const struct user *user) {
  struct denial *denial = begin(engine, user, HF_REASON_QUOTA_MEMORY);
  denial_add(denial, " uses ");
  denial_add_bytes(denial, user->memory_bytes);
  denial_add(denial, " of ");
  denial_add_bytes(denial, user->settings.limits.memory_bytes);
  return HF_REASON_QUOTA_MEMORY;
}

hf_reason quota_check_memory(struct engine *engine, const struct user *user, size_t more_bytes) {
  uint64_t max = user ? user->settings.limits.memory_bytes : 0;
  if (max == 0 || (user->memory_bytes < max && more_bytes <= max - user->memory_bytes)) {
    return HF_REASON_NONE;
  }
  return refuse_memory(engine, user);
}

static hf_reason check_count(struct engine *engine, const struct user *user, uint64_t used,
                             uint64_t max, const char *what, hf_reason reason) {
  if (max == 0 || used < max) {
    return HF_REASON_NONE;
  }
  denial_add(begin(engine, user, reason), " uses %llu of %llu %s", (unsigned long long)used,
             (unsigned long long)max, what);
  return reason;
}

hf_reason quota_check_objects(struct engine *engine, const struct user *user) {
  return user ? check_count(engine, user, user->objects, user->settings.limits.objects, "objects",
                            HF_REASON_QUOTA_OBJECTS)
              : HF_REASON_NONE;
}

hf_reason quota_check_sessions(struct engine *engine, const struct user *user) {
  return user ? check_count(engine, user, user->sessions, user->settings.limits.sessions,
                            "sessions", HF_REASON_QUOTA_SESSIONS)
              : HF_REASON_NONE;
}

hf_reason quota_check_connections(struct engine *engine, const struct user *user) {
  return user ? check_count(engine, user, user->connections, user->settings.limits.connections,
                            "connections", HF_REASON_QUOTA_CONNECTIONS)
              : HF_REASON_NONE;
}

hf_reason quota_check_waiting(struct engine *engine, const struct user *user) {
  return user ? check_count(engine, user, user->waiting, user->settings.limits.waiting,
                            "waiting requests", HF_REASON_QUOTA_WAITING)
              : HF_REASON_NONE;
}

hf_reason quota_check_rate(struct engine *engine, const struct user *user, uint64_t now_ns) {
  if (!user || user_may_request(user, now_ns)) {
    return HF_REASON_NONE;
  }
  denial_add(begin(engine, user, HF_REASON_TOO_FAST), " may send %llu requests a second",
             (unsigned long long)user->settings.limits.requests_per_s);
  return HF_REASON_TOO_FAST;
}
