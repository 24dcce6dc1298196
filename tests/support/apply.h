/* Commands in one line each. */
#ifndef HF_TESTS_SUPPORT_APPLY_H
#define HF_TESTS_SUPPORT_APPLY_H

#include "server/engine/engine.h"
#include "server/engine/job.h"

static inline void apply_request(struct engine *engine, uint64_t now_ns,
                                 struct engine_request *request) {
  engine_apply(engine,
               &(struct command){.kind = COMMAND_REQUEST, .now_ns = now_ns, .request = request});
}

static inline void apply_tick(struct engine *engine, uint64_t now_ns) {
  engine_apply(engine, &(struct command){.kind = COMMAND_TICK, .now_ns = now_ns});
}

/* false: there is no such user. */
static inline bool apply_connect_as(struct engine *engine, uint64_t connection, uint64_t address,
                                    bool one_way, const char *user) {
  return engine_apply(engine, &(struct command){.kind = COMMAND_CONNECT,
                                                .connection = connection,
                                                .address = address,
                                                .user = bytes_of_text(user),
                                                .one_way = one_way});
}

/* Of the owner. */
static inline bool apply_connect(struct engine *engine, uint64_t connection, uint64_t address,
                                 bool one_way) {
  return apply_connect_as(engine, connection, address, one_way, "");
}

static inline bool apply_users(struct engine *engine, uint64_t now_ns,
                               const struct users_settings *users) {
  return engine_apply(engine,
                      &(struct command){.kind = COMMAND_USERS, .now_ns = now_ns, .users = users});
}

static inline void apply_disconnect(struct engine *engine, uint64_t now_ns, uint64_t connection) {
  engine_apply(engine, &(struct command){
                           .kind = COMMAND_DISCONNECT, .now_ns = now_ns, .connection = connection});
}

static inline void apply_process_ended(struct engine *engine, uint64_t now_ns, uint64_t session) {
  engine_apply(engine, &(struct command){
                           .kind = COMMAND_PROCESS_ENDED, .now_ns = now_ns, .session = session});
}

static inline void apply_job_done(struct engine *engine, uint64_t now_ns, struct job *job) {
  do {
    engine_apply(engine, &(struct command){.kind = COMMAND_JOB_DONE, .now_ns = now_ns, .job = job});
  } while (!job->is_back);
}

static inline void apply_freed(struct engine *engine, size_t freed_bytes) {
  engine_apply(engine, &(struct command){.kind = COMMAND_FREED, .freed_bytes = freed_bytes});
}

static inline void apply_crowded(struct engine *engine, uint64_t now_ns, bool is_crowded) {
  engine_apply(engine, &(struct command){
                           .kind = COMMAND_CROWDED, .now_ns = now_ns, .is_crowded = is_crowded});
}

static inline bool apply_restart(struct engine *engine, uint64_t now_ns, size_t memory_bytes_max) {
  return engine_apply(
      engine, &(struct command){
                  .kind = COMMAND_RESTART, .now_ns = now_ns, .memory_bytes_max = memory_bytes_max});
}

static inline void apply_disk(struct engine *engine, uint64_t now_ns, bool is_full) {
  engine_apply(engine,
               &(struct command){.kind = COMMAND_DISK, .now_ns = now_ns, .is_full = is_full});
}

static inline void apply_drain(struct engine *engine) {
  engine_apply(engine, &(struct command){.kind = COMMAND_DRAIN});
}

#endif
