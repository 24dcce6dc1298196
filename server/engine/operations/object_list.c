/* Pages of objects: first the named objects in order of name, then the anonymous ones by id. A page ends
 * at its limit, or after so many visited objects that it would delay other requests. */
#include "server/engine/call.h"
#include "server/engine/handlers.h"
#include "server/engine/kinds/table.h"
#include "server/engine/operations/report.h"
#include "server/engine/rights.h"

#include <stdlib.h>
#include <string.h>

struct page {
  const struct call *call;
  const struct engine *engine;
  const Holdfast__ObjectList *message;
  struct bytes prefix;
  struct reply_object *objects; /* room for `limit` */
  size_t count, limit, looks_left;
  const struct object *last;    /* that the user may see */
  const struct object *visited; /* the last */
};

static bool is_wanted(const struct page *page, const struct object *object) {
  int kind = (int)page->message->kind;
  return kind == HOLDFAST__KIND__ANY || kind == object->kind;
}

/* false: the page ends before the object. Where there are too many objects without a name to look at, it
 * ends at one that the user may not see, whose id the cursor says. */
static bool report(struct page *page, struct object *object) {
  bool sees = rights_see(page->call, object);
  bool adds = sees && is_wanted(page, object);
  if (page->looks_left == 0) {
    page->last = page->visited;
    return false;
  }
  if (adds && page->count == page->limit) {
    return false;
  }
  page->looks_left--;
  page->visited = object;
  if (sees) {
    page->last = object;
  }
  if (adds) {
    page->objects[page->count++] = report_object(page->call, object);
  }
  return true;
}

/* The first name of the page, if there is one. */
static struct object *first_name(const struct page *page) {
  const struct registry *registry = &page->engine->registry;
  struct bytes after = bytes_of(page->message->after.data, page->message->after.len);
  struct object *from_prefix = registry_first_name(registry, page->prefix, false);
  struct object *beyond = after.len ? registry_first_name(registry, after, true) : NULL;
  if (!after.len || !from_prefix || !beyond) {
    return after.len ? beyond : from_prefix;
  }
  bool is_prefix_ahead = registry_compare_names(from_prefix, beyond) > 0;
  return is_prefix_ahead ? from_prefix : beyond;
}

/* The object, or the first behind that the user may see. No look is spent on objects that it may not: their
 * names are passed from prefix to prefix of its rights. */
static struct object *first_seen(const struct page *page, struct object *object) {
  uint8_t room[HF_NAME_BYTES_MAX];
  struct bytes next;
  while (object && !rights_see(page->call, object)) {
    bool is_more = user_next_seen(page->call->user, value_content(&object->name), room, &next);
    object = is_more ? registry_first_name(&page->engine->registry, next, false) : NULL;
  }
  return object;
}

/* false: the page ends before the names do. */
static bool add_names(struct page *page) {
  struct object *object = first_seen(page, first_name(page));
  for (; object && bytes_begin_with(value_content(&object->name), page->prefix);
       object = first_seen(page, registry_next_name(object))) {
    if (!report(page, object)) {
      return false;
    }
  }
  return true;
}

static bool add_anonymous(struct page *page) {
  const struct registry *registry = &page->engine->registry;
  struct object *object = registry_first_anonymous(registry, page->message->after_object);
  for (; object; object = registry_next_anonymous(object)) {
    if (!report(page, object)) {
      return false;
    }
  }
  return true;
}

static bool fill(struct page *page) {
  bool has_names = page->message->after_object == 0;
  bool has_anonymous = page->message->anonymous && page->prefix.len == 0;
  return (!has_names || add_names(page)) && (!has_anonymous || add_anonymous(page));
}

/* Where the next page begins. */
static struct value cursor_of(const struct object *last) {
  return value_is_absent(last->name) ? value_uint(last->id) : value_retain(last->name);
}

hf_reason handle_object_list(struct call *call) {
  const Holdfast__ObjectList *message = call->message->object_list;
  struct page page = {
      .call = call,
      .engine = call->engine,
      .message = message,
      .prefix = bytes_of(message->prefix.data, message->prefix.len),
      .limit = message->limit && message->limit < HF_LISTING_COUNT_MAX ? message->limit
                                                                       : HF_LISTING_COUNT_MAX,
      .looks_left = HF_PAGE_COUNT_MAX,
  };
  if (message->kind != HOLDFAST__KIND__ANY && !kind_find(message->kind)) {
    return HF_REASON_WRONG_KIND;
  }
  size_t objects = call->engine->registry.by_id.count;
  size_t room = page.limit < objects ? page.limit : objects;
  page.objects = malloc((room + 1) * sizeof *page.objects);
  if (!page.objects) {
    return HF_REASON_NO_MEMORY;
  }
  bool more = !fill(&page);
  call->reply->shape = REPLY_OBJECTS;
  call->reply->objects = page.objects;
  call->reply->objects_count = page.count;
  call->reply->more = more;
  call->reply->after = more ? cursor_of(page.last) : (struct value){0};
  return HF_REASON_NONE;
}
