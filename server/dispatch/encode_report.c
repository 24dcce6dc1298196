#include "server/dispatch/encode_report.h"

#include "proto/holdfast_fields.h"
#include "server/engine/reply.h"

static struct bytes text_of(const struct value *text) {
  return value_is_absent(*text) ? (struct bytes){0} : value_content(text);
}

void encode_object(struct writer *writer, const void *item) {
  const struct reply_object *object = item;
  encode_number(writer, HF_FIELD_OBJECT_ID, object->id);
  encode_number(writer, HF_FIELD_OBJECT_KIND, (uint64_t)object->kind);
  encode_bytes(writer, HF_FIELD_OBJECT_NAME, text_of(&object->name));
  encode_number(writer, HF_FIELD_OBJECT_CREATED, object->created);
  encode_number(writer, HF_FIELD_OBJECT_LENGTH, object->length);
  encode_number(writer, HF_FIELD_OBJECT_MAXSIZE, wire_to_zigzag(object->maxsize));
  encode_bytes(writer, HF_FIELD_OBJECT_TYPECODE,
               bytes_of(&object->typecode, object->typecode != 0));
  encode_number(writer, HF_FIELD_OBJECT_WAITING, object->waiting);
  encode_number(writer, HF_FIELD_OBJECT_REFERENCES, object->references);
  encode_number(writer, HF_FIELD_OBJECT_LOCKED, object->locked);
  encode_bytes(writer, HF_FIELD_OBJECT_OWNER, text_of(&object->owner));
  encode_number(writer, HF_FIELD_OBJECT_TOKEN, object->token);
  encode_number(writer, HF_FIELD_OBJECT_UNFINISHED, object->unfinished);
  encode_number(writer, HF_FIELD_OBJECT_VALUE, object->value);
  encode_number(writer, HF_FIELD_OBJECT_PARTIES, object->parties);
  encode_number(writer, HF_FIELD_OBJECT_ARRIVED, object->arrived);
  encode_number(writer, HF_FIELD_OBJECT_BROKEN, object->broken);
  encode_number(writer, HF_FIELD_OBJECT_DELAYED, object->delayed);
  encode_number(writer, HF_FIELD_OBJECT_RESERVED, object->reserved);
  encode_number(writer, HF_FIELD_OBJECT_BURIED, object->buried);
  encode_number(writer, HF_FIELD_OBJECT_SHUT_DOWN, object->shut_down);
  encode_number(writer, HF_FIELD_OBJECT_LEASE_MS, object->lease_ms);
  encode_number(writer, HF_FIELD_OBJECT_SEGMENT, object->segment);
  encode_number(writer, HF_FIELD_OBJECT_OFFSET, object->offset);
  encode_number(writer, HF_FIELD_OBJECT_BYTES, object->bytes);
}

void encode_objects(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  for (size_t i = 0; i < reply->objects_count; i++) {
    encode_message(writer, HF_FIELD_OBJECTS_ITEMS, encode_object, &reply->objects[i]);
  }
  encode_number(writer, HF_FIELD_OBJECTS_MORE, reply->more);
  if (reply->after.kind == VALUE_TEXT) {
    encode_bytes(writer, HF_FIELD_OBJECTS_AFTER, value_content(&reply->after));
  } else if (!value_is_absent(reply->after)) {
    encode_number(writer, HF_FIELD_OBJECTS_AFTER_OBJECT, reply->after.unsigned_integer);
  }
}

struct use_of_server {
  const struct reply_server *server;
  enum memory_use use;
};

static void put_use(struct writer *writer, const void *item) {
  const struct use_of_server *of = item;
  encode_bytes(writer, HF_FIELD_MEMORY_USE_NAME, bytes_of_text(memory_use_name(of->use)));
  encode_number(writer, HF_FIELD_MEMORY_USE_BYTES, of->server->memory_used[of->use]);
  encode_number(writer, HF_FIELD_MEMORY_USE_BYTES_MAX,
                of->use == MEMORY_WAITERS ? of->server->waiters_bytes_max : 0);
}

static void put_user(struct writer *writer, const void *item) {
  const struct reply_user *user = item;
  encode_bytes(writer, HF_FIELD_USER_USE_NAME, bytes_of(user->name, user->name_len));
  encode_number(writer, HF_FIELD_USER_USE_REMOVED, user->is_gone);
  encode_number(writer, HF_FIELD_USER_USE_MEMORY_BYTES, user->memory_bytes);
  encode_number(writer, HF_FIELD_USER_USE_OBJECTS, user->objects);
  encode_number(writer, HF_FIELD_USER_USE_SESSIONS, user->sessions);
  encode_number(writer, HF_FIELD_USER_USE_CONNECTIONS, user->connections);
  encode_number(writer, HF_FIELD_USER_USE_WAITING, user->waiting);
}

static void put_journal(struct writer *writer, const void *item) {
  const struct reply_journal *journal = item;
  encode_number(writer, HF_FIELD_JOURNAL_INDEX, journal->index);
  encode_number(writer, HF_FIELD_JOURNAL_COMMITTED, journal->committed);
  encode_number(writer, HF_FIELD_JOURNAL_JOURNAL_BYTES, journal->journal_bytes);
  encode_number(writer, HF_FIELD_JOURNAL_SNAPSHOT_INDEX, journal->snapshot_index);
  encode_number(writer, HF_FIELD_JOURNAL_SNAPSHOT_BYTES, journal->snapshot_bytes);
  encode_number(writer, HF_FIELD_JOURNAL_SNAPSHOT_AGE_MS, journal->snapshot_age_ms);
  encode_number(writer, HF_FIELD_JOURNAL_FSYNC_P99_US, journal->fsync_p99_ns / 1000);
  encode_number(writer, HF_FIELD_JOURNAL_UNSYNCED_MS, journal->unsynced_ms);
  encode_number(writer, HF_FIELD_JOURNAL_FULL, journal->is_full);
  encode_number(writer, HF_FIELD_JOURNAL_COMPACTING, journal->is_compacting);
  encode_bytes(writer, HF_FIELD_JOURNAL_FSYNC, bytes_of_text(journal->fsync));
}

void encode_server(struct writer *writer, const void *item) {
  const struct reply_server *server = item;
  encode_bytes(writer, HF_FIELD_SERVER_VERSION, bytes_of_text(writer->version));
  encode_number(writer, HF_FIELD_SERVER_UPTIME_MS, server->uptime_ms);
  encode_number(writer, HF_FIELD_SERVER_SESSIONS, server->sessions);
  encode_number(writer, HF_FIELD_SERVER_OBJECTS, server->objects);
  encode_number(writer, HF_FIELD_SERVER_WAITING, server->waiting);
  encode_number(writer, HF_FIELD_SERVER_REQUESTS, server->requests);
  encode_number(writer, HF_FIELD_SERVER_DUPLICATES, server->duplicates);
  encode_number(writer, HF_FIELD_SERVER_CONNECTIONS, server->connections);
  encode_number(writer, HF_FIELD_SERVER_MEMORY_BYTES, server->memory_bytes);
  encode_number(writer, HF_FIELD_SERVER_DEADLOCKS, server->deadlocks);
  encode_number(writer, HF_FIELD_SERVER_SHARED_CELLS, server->shared_cells);
  encode_number(writer, HF_FIELD_SERVER_SEGMENT_CELLS, server->segment_cells);
  for (int use = 0; use < MEMORY_USES; use++) {
    encode_message(writer, HF_FIELD_SERVER_MEMORY, put_use,
                   &(struct use_of_server){server, (enum memory_use)use});
  }
  encode_number(writer, HF_FIELD_SERVER_MEMORY_BYTES_MAX, server->memory_bytes_max);
  for (size_t i = 0; i < server->users_count; i++) {
    encode_message(writer, HF_FIELD_SERVER_USERS, put_user, &server->users[i]);
  }
  if (server->has_journal) {
    encode_message(writer, HF_FIELD_SERVER_JOURNAL, put_journal, &server->journal);
  }
}

static void put_party(struct writer *writer, const void *item) {
  const struct reply_party *party = item;
  encode_bytes(writer, HF_FIELD_PARTY_CLIENT, text_of(&party->client));
  encode_number(writer, HF_FIELD_PARTY_SESSION, party->session);
  encode_number(writer, HF_FIELD_PARTY_THREAD, party->thread);
  encode_number(writer, HF_FIELD_PARTY_WAITED_MS, party->waited_ms);
}

static void put_lock(struct writer *writer, const void *item) {
  const struct reply_lock *lock = item;
  encode_number(writer, HF_FIELD_LOCK_OBJECT, lock->object);
  encode_number(writer, HF_FIELD_LOCK_KIND, (uint64_t)lock->kind);
  encode_bytes(writer, HF_FIELD_LOCK_NAME, text_of(&lock->name));
  encode_number(writer, HF_FIELD_LOCK_OWNED, lock->owned);
  if (lock->owner.session) {
    encode_message(writer, HF_FIELD_LOCK_OWNER, put_party, &lock->owner);
  }
  encode_number(writer, HF_FIELD_LOCK_TOKEN, lock->token);
  encode_number(writer, HF_FIELD_LOCK_DEPTH, lock->depth);
  encode_number(writer, HF_FIELD_LOCK_LEASE_MS, lock->lease_ms);
  for (size_t i = 0; i < lock->waiters_count; i++) {
    encode_message(writer, HF_FIELD_LOCK_WAITERS, put_party, &lock->waiters[i]);
  }
  encode_number(writer, HF_FIELD_LOCK_DEADLOCKED, lock->deadlocked);
  encode_number(writer, HF_FIELD_LOCK_MORE_WAITERS, lock->more_waiters);
}

void encode_locks(struct writer *writer, const void *item) {
  const struct reply *reply = item;
  for (size_t i = 0; i < reply->locks_count; i++) {
    encode_message(writer, HF_FIELD_LOCKS_ITEMS, put_lock, &reply->locks[i]);
  }
  encode_number(writer, HF_FIELD_LOCKS_MORE, reply->more_locks);
  encode_number(writer, HF_FIELD_LOCKS_AFTER, reply->after_lock);
}
