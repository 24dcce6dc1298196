/* Information about objects: one, or all. */
#include <stdlib.h>
#include <string.h>

#include "client/src/call/paging.h"
#include "client/src/call/sized.h"
#include "client/src/objects/object.h"

static void copy_info(const Holdfast__Object *object, struct hf_object_info *info) {
  *info = (struct hf_object_info){
      .id = object->id,
      .kind = (hf_kind)object->kind,
      .length = object->length,
      .maxsize = object->maxsize,
      .typecode = object->typecode.len > 0 ? (char)object->typecode.data[0] : '\0',
      .waiting = object->waiting,
      .references = object->references,
      .unfinished = object->unfinished,
      .token = object->token,
      .locked = object->locked,
      .value = object->value,
      .parties = object->parties,
      .arrived = object->arrived,
      .broken = object->broken,
      .delayed = object->delayed,
      .reserved = object->reserved,
      .buried = object->buried,
      .shut_down = object->shut_down,
      .lease_ms = object->lease_ms,
  };
  result_copy_text(info->name, sizeof info->name, object->name);
  result_copy_text(info->owner, sizeof info->owner, object->owner);
}

static hf_reason take_info(hf_conn *conn, const Holdfast__Response *reply,
                           const struct result *result) {
  (void)conn;
  if (reply->result_case != HOLDFAST__RESPONSE__RESULT_OBJECT) {
    return HF_REASON_BAD_REPLY;
  }
  struct hf_object_info info;
  copy_info(reply->object, &info);
  sized_give(result->first, result->size, &info, sizeof info);
  return HF_REASON_NONE;
}

hf_status hf_object_info_sized(hf_object *object, struct hf_object_info *info, size_t info_size) {
  struct request request;
  Holdfast__ObjectInfo arm = HOLDFAST__OBJECT_INFO__INIT;
  request_of(&request, object, OPERATION(OBJECT_INFO));
  request_ask(&request, take_info, info, NULL);
  request.result.size = info_size;
  return request_send(&request, &arm.base);
}

hf_status hf_object_delete(hf_object *object) {
  struct request request;
  Holdfast__ObjectDelete arm = HOLDFAST__OBJECT_DELETE__INIT;
  request_of(&request, object, OPERATION(OBJECT_DELETE));
  return request_send(&request, &arm.base);
}

hf_status hf_delete(hf_conn *conn, const char *name) {
  struct request request;
  Holdfast__ObjectDelete arm = HOLDFAST__OBJECT_DELETE__INIT;
  request_of_conn(&request, conn, OPERATION(OBJECT_DELETE));
  request.envelope.name = name;
  return request_send(&request, &arm.base);
}

/* ---------------------------------------------------------------- listing */

struct listing {
  struct steps steps; /* first */
  struct paging paging;
  char *prefix; /* owned */
  hf_kind kind;
  struct hf_object_info **to;
  size_t *to_count;
  uint8_t *infos; /* items have the program's struct size */
  size_t count, info_size;
  char after[sizeof((struct hf_object_info *)NULL)->name]; /* where the next page begins */
};

/* An older server sends no cursor: the next page begins after the last name. */
static void record_cursor(struct listing *listing, const Holdfast__Objects *page) {
  char after[sizeof listing->after] = "";
  listing->paging.has_more = page->more;
  if (page->after.len > 0) {
    result_copy_text(after, sizeof after, page->after);
  } else if (page->n_items > 0) {
    result_copy_text(after, sizeof after, page->items[page->n_items - 1]->name);
  }
  listing->paging.is_further = strcmp(after, listing->after) > 0;
  memcpy(listing->after, after, sizeof after);
}

static hf_reason add_infos(hf_conn *conn, const Holdfast__Response *reply,
                           const struct result *result) {
  struct listing *listing = result->first;
  (void)conn;
  if (reply->result_case != HOLDFAST__RESPONSE__RESULT_OBJECTS) {
    return HF_REASON_BAD_REPLY;
  }
  size_t more_count = reply->objects->n_items;
  size_t info_size = listing->info_size;
  uint8_t *infos = realloc(listing->infos, (listing->count + more_count + 1) * info_size);
  if (infos == NULL) {
    return HF_REASON_NO_MEMORY;
  }
  for (size_t i = 0; i < more_count; i++) {
    struct hf_object_info info;
    copy_info(reply->objects->items[i], &info);
    sized_give(infos + (listing->count + i) * info_size, info_size, &info, sizeof info);
  }
  listing->infos = infos;
  listing->count += more_count;
  listing->paging.page_count = more_count;
  record_cursor(listing, reply->objects);
  return HF_REASON_NONE;
}

static hf_status list_page(struct listing *listing) {
  struct request request;
  Holdfast__ObjectList arm = HOLDFAST__OBJECT_LIST__INIT;
  request_of_conn(&request, listing->steps.conn, OPERATION(OBJECT_LIST));
  request_ask(&request, add_infos, listing, NULL);
  arm.prefix = object_text(listing->prefix);
  arm.kind = (Holdfast__Kind)listing->kind;
  arm.after = object_text(listing->after);
  return steps_send(&listing->steps, &request, &arm.base);
}

static hf_status list_step(struct steps *steps) {
  struct listing *listing = (struct listing *)steps;
  bool is_due;
  hf_status status = paging_next(&listing->paging, &is_due);
  return status == HF_OK && is_due ? list_page(listing) : status;
}

static hf_status list_end(struct steps *steps, hf_status status) {
  struct listing *listing = (struct listing *)steps;
  free(listing->prefix);
  if (status == HF_OK) {
    *listing->to = (struct hf_object_info *)(void *)listing->infos;
    *listing->to_count = listing->count;
  } else {
    free(listing->infos);
  }
  return status;
}

hf_status hf_list_objects_sized(hf_conn *conn, const char *prefix, hf_kind kind,
                                struct hf_object_info **infos, size_t info_size, size_t *count) {
  static const struct steps_kind steps = {sizeof(struct listing), list_step, NULL, list_end};
  struct listing listing = {.steps = {.kind = &steps, .conn = conn},
                            .paging = paging_begin(conn),
                            .prefix = strdup(prefix == NULL ? "" : prefix),
                            .kind = kind,
                            .to = infos,
                            .to_count = count,
                            .info_size = info_size};
  return listing.prefix != NULL ? steps_run(&listing.steps) : error_reason(HF_REASON_NO_MEMORY);
}
