#include "server/engine/object.h"

#include "server/engine/kinds/kind.h"

#include <stdlib.h>

void object_free(struct object *object) {
  const struct kind *kind = object->row;
  if (kind->deinit) {
    kind->deinit(object);
  }
  value_release(object->name);
  free(object->loan);
  free(object);
}

struct object *object_new_shell(const struct object *object) {
  struct object *shell = calloc(1, sizeof *shell);
  if (shell) {
    shell->kind = object->kind;
    shell->row = object->row;
    shell->id = object->id;
    shell->stored_references = object->stored_references;
  }
  return shell;
}

struct object *object_take_content(struct object *object, const struct value_hash_key *hash_key) {
  struct object *taken = object_new_shell(object);
  if (!taken) {
    return NULL;
  }
  taken->memory_bytes = object->memory_bytes;
  if (!object->row->take_content(object, taken, hash_key)) {
    free(taken);
    return NULL;
  }
  return taken;
}

uint64_t object_length(const struct object *object) {
  const struct kind *kind = object->row;
  return kind->length ? kind->length(object) : 0;
}

struct lock *object_lock(struct object *object) {
  const struct kind *kind = object->row;
  return kind->lock ? kind->lock(object) : NULL;
}

bool object_next_value(const struct object *object, struct content_cursor *cursor,
                       struct value *value) {
  const struct kind *kind = object->row;
  return kind->next_value && kind->next_value(object, cursor, value);
}

size_t object_waiting(const struct object *object) {
  size_t waiting = object->loan ? object->loan->queue.count : 0;
  for (size_t i = 0; i < OBJECT_WAITS; i++) {
    waiting += object->waits[i].count;
  }
  return waiting;
}

bool content_next_in_list(const struct list *list, struct content_cursor *cursor,
                          struct value *value) {
  if (cursor->position >= list->len) {
    return false;
  }
  if (cursor->run_left == 0) {
    cursor->run = list_run(list, cursor->position, &cursor->run_left);
  }
  *value = *cursor->run++;
  cursor->position++;
  cursor->run_left--;
  return true;
}
