#include "server/objects/dict_log.h"

#include "proto/base/chunk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_CAPACITY_MIN 8
/* A page with fewer than one live entry in this many is packed. */
#define PACK_RATIO 2
#define DIRECTORY_MIN 4

/* ---------------------------------------------------------------- directory */

static void free_page(struct dict_log *log, struct log_page *page) {
  if (page) {
    log->counted_bytes -= page->counted_bytes;
    free(page);
  }
}

static struct log_page **page_link(const struct dict_log *log, size_t idx) {
  return &log->pages[log->head + idx];
}

static uint64_t first_slot(const struct dict_log *log) {
  return log->first_page << LOG_PAGE_SHIFT;
}

/* A 32-bit slot is found by its distance from the first one, which is below 2^32. */
static inline struct log_page *page_of(const struct dict_log *log, uint32_t slot) {
  uint32_t distance = slot - (uint32_t)first_slot(log);
  return log->pages[log->head + (distance >> LOG_PAGE_SHIFT)];
}

static inline size_t offset_of(uint64_t slot) {
  return slot & (LOG_PAGE_SLOTS - 1);
}

/* Room for one more pointer behind the last. */
static bool reserve_page(struct dict_log *log) {
  size_t needed = log->page_count + 1;
  if (log->head + needed <= log->page_capacity) {
    return true;
  }
  if (needed <= log->page_capacity / 2) { /* the pages in front are long gone: move there */
    memmove(log->pages, log->pages + log->head, log->page_count * sizeof *log->pages);
    log->head = 0;
    return true;
  }
  size_t capacity = log->page_capacity > 0 ? log->page_capacity * 2 : DIRECTORY_MIN;
  struct log_page **pages = realloc(log->pages, capacity * sizeof *pages);
  if (!pages) {
    return false;
  }
  log->pages = pages;
  log->page_capacity = capacity;
  return true;
}

/* ---------------------------------------------------------------- counting */

/* A small dict begins with a small page. */
static size_t first_capacity(const struct dict_log *log) {
  size_t capacity = PAGE_CAPACITY_MIN;
  while (capacity < LOG_PAGE_SLOTS && capacity <= log->live) {
    capacity *= 2;
  }
  return capacity;
}

/* What the last page, a dense one, has at most: a quarter is free when it has just become smaller. */
static size_t last_capacity(const struct dict_log *log, const struct log_page *page) {
  size_t capacity = first_capacity(log);
  while (capacity < LOG_PAGE_SLOTS && capacity * 3 < page->used * (size_t)4) {
    capacity *= 2;
  }
  return capacity;
}

static size_t count_of(const struct dict_log *log, size_t idx) {
  const struct log_page *page = *page_link(log, idx);
  if (page->bitmap) {
    return chunk_bytes(page_bytes(page->live + page->live * 5U / 8U, true));
  }
  bool is_small = idx + 1 == log->page_count && log->live < LOG_PAGE_SLOTS;
  return chunk_bytes(page_bytes(is_small ? last_capacity(log, page) : LOG_PAGE_SLOTS, false));
}

/* After a change of that page, which there is. */
static void recount(struct dict_log *log, size_t idx) {
  struct log_page *page = *page_link(log, idx);
  size_t bytes = count_of(log, idx);
  log->counted_bytes += bytes - page->counted_bytes;
  page->counted_bytes = (uint32_t)bytes;
}

size_t log_counted_bytes(const struct dict_log *log) {
  return log->counted_bytes + log->page_count * 2 * sizeof *log->pages;
}

/* ---------------------------------------------------------------- directory's end */

static void drop_directory(struct dict_log *log) {
  free(log->pages);
  log->pages = NULL;
  log->page_capacity = 0;
  log->head = 0;
}

static void trim_front(struct dict_log *log) {
  while (log->page_count > 0 && !*page_link(log, 0)) {
    log->head++;
    log->page_count--;
    log->first_page++;
  }
}

/* Walks back to the last entry that is left, so that log_last is always at next - 1. Each slot is
 * passed once after it was appended: O(1) amortized. */
static void trim_back(struct dict_log *log) {
  while (log->page_count > 0) {
    struct log_page **link = page_link(log, log->page_count - 1);
    struct log_page *page = *link;
    if (!page || page->live == 0) {
      free_page(log, page);
      *link = NULL;
      log->page_count--;
      log->next = (log->first_page + log->page_count) << LOG_PAGE_SHIFT;
      continue;
    }
    while (value_is_absent(page->entries[page->used - 1].key)) { /* one is live, or it were NULL */
      page->used--;
    }
    uint64_t start = (log->first_page + log->page_count - 1) << LOG_PAGE_SHIFT;
    log->next = start + (page->bitmap ? page_packed_end(page) : page->used);
    return;
  }
}

/* Whether the last page can take the entry of slot `next`. */
static bool last_page_takes(const struct dict_log *log) {
  if (log->page_count == 0 || offset_of(log->next) == 0) {
    return false;
  }
  return (*page_link(log, log->page_count - 1))->bitmap == NULL;
}

/* ---------------------------------------------------------------- life */

void log_init(struct dict_log *log) {
  *log = (struct dict_log){0};
}

static void drop_pages(struct dict_log *log) {
  for (size_t i = 0; i < log->page_count; i++) {
    free_page(log, *page_link(log, i));
  }
  drop_directory(log);
}

void log_deinit(struct dict_log *log) {
  drop_pages(log);
  log_init(log);
}

/* The next slot that begins a page. */
static uint64_t next_page_start(const struct dict_log *log) {
  return (log->next + LOG_PAGE_SLOTS - 1) & ~(uint64_t)(LOG_PAGE_SLOTS - 1);
}

void log_clear(struct dict_log *log) {
  uint64_t next = next_page_start(log);
  drop_pages(log);
  *log = (struct dict_log){.next = next, .first_page = next >> LOG_PAGE_SHIFT};
}

/* ---------------------------------------------------------------- appending */

static bool add_page(struct dict_log *log) {
  uint64_t start = next_page_start(log);
  uint64_t number = start >> LOG_PAGE_SHIFT;
  if (log->page_count == 0) {
    log->first_page = number;
  }
  assert(number == log->first_page + log->page_count);
  struct log_page *page = page_new(first_capacity(log), false);
  if (!page) {
    return false;
  }
  if (!reserve_page(log)) {
    free_page(log, page);
    return false;
  }
  *page_link(log, log->page_count++) = page;
  log->next = start;
  return true;
}

/* false: out of memory, it is as it was. */
static bool resize_last_page(struct dict_log *log, size_t capacity) {
  struct log_page **link = page_link(log, log->page_count - 1);
  struct log_page *page = *link, *resized = page_new(capacity, false);
  if (!resized) {
    return false;
  }
  memcpy(resized->entries, page->entries, page->used * sizeof *page->entries);
  memcpy(resized->hashes, page->hashes, page->used * sizeof *page->hashes);
  resized->used = page->used;
  resized->live = page->live;
  free_page(log, page);
  *link = resized;
  return true;
}

/* After removals: the last page becomes smaller, if it is too large, and if there is memory. */
static void fit_last_page(struct dict_log *log) {
  const struct log_page *page = log->page_count > 0 ? *page_link(log, log->page_count - 1) : NULL;
  if (page && !page->bitmap && page->capacity > last_capacity(log, page)) {
    (void)resize_last_page(log, last_capacity(log, page));
  }
  if (page) {
    recount(log, log->page_count - 1);
  }
}

static void pack_if_sparse(struct dict_log *log, size_t idx) {
  struct log_page **link = page_link(log, idx);
  struct log_page *page = *link;
  if (page && page->live * PACK_RATIO < page->capacity) {
    struct log_page *packed = page_pack(page);
    if (packed) { /* else it stays as it is, only bigger */
      free_page(log, page);
      *link = packed;
    }
  }
  if (*link) {
    recount(log, idx);
  }
}

bool log_is_full(const struct dict_log *log, size_t count) {
  uint64_t pages = (count + LOG_PAGE_SLOTS - 1) / LOG_PAGE_SLOTS;
  return log->page_count > 0 &&
         next_page_start(log) - first_slot(log) > (uint64_t)LOG_SPAN_MAX - pages * LOG_PAGE_SLOTS;
}

bool log_append(struct dict_log *log, uint32_t hash, struct value key, struct value value,
                uint32_t *slot) {
  if (log_is_full(log, 1)) {
    return false;
  }
  if (!last_page_takes(log)) {
    if (!add_page(log)) {
      return false;
    }
    if (log->page_count > 1 && !log->pinned) { /* spared while it was the last */
      pack_if_sparse(log, log->page_count - 2);
    } else if (log->page_count > 1) {
      recount(log, log->page_count - 2);
    }
  }
  struct log_page *page = *page_link(log, log->page_count - 1);
  if (page->used == page->capacity) {
    if (!resize_last_page(log, (size_t)page->capacity * 2)) {
      return false;
    }
    page = *page_link(log, log->page_count - 1);
  }
  page->entries[page->used] = (struct log_entry){key, value};
  page->hashes[page->used] = hash;
  page->used++;
  page->live++;
  log->live++;
  recount(log, log->page_count - 1);
  *slot = (uint32_t)log->next++;
  return true;
}

/* ---------------------------------------------------------------- entries */

struct log_entry *log_entry_at(const struct dict_log *log, uint32_t slot) {
  struct log_page *page = page_of(log, slot);
  return &page->entries[page_position(page, offset_of(slot))];
}

uint32_t log_hash_at(const struct dict_log *log, uint32_t slot) {
  const struct log_page *page = page_of(log, slot);
  return page->hashes[page_position(page, offset_of(slot))];
}

void log_prefetch_hash(const struct dict_log *log, uint32_t slot) {
  const struct log_page *page = page_of(log, slot);
  if (!page->bitmap) { /* finding the position in a packed one would cost more than it saves */
    __builtin_prefetch(&page->hashes[offset_of(slot)]);
  }
}

void log_tidy(struct dict_log *log, uint32_t slot) {
  uint32_t distance = slot - (uint32_t)first_slot(log);
  size_t idx = distance >> LOG_PAGE_SHIFT;
  if (idx >= log->page_count) {
    return; /* another's went with it */
  }
  struct log_page **link = page_link(log, idx);
  if (*link && (*link)->live == 0) {
    free_page(log, *link);
    *link = NULL;
  }
  if (idx + 1 == log->page_count) {
    trim_back(log);
  } else {
    pack_if_sparse(log, idx);
  }
  trim_front(log);
  fit_last_page(log);
  if (log->page_count == 0) {
    drop_directory(log);
  }
}

void log_remove(struct dict_log *log, uint32_t slot) {
  struct log_page *page = page_of(log, slot);
  struct log_entry *entry = &page->entries[page_position(page, offset_of(slot))];
  assert(!value_is_absent(entry->key));
  entry->key = (struct value){0};
  page->live--;
  log->live--;
  if (!log->pinned) {
    log_tidy(log, slot);
  }
}

/* ---------------------------------------------------------------- pinning */

void log_pin(struct dict_log *log) {
  log->pinned = true;
  log->pinned_page = log->page_count > 0 ? log->first_page + log->page_count - 1 : 0;
}

void log_restore(struct dict_log *log, uint32_t slot, struct value key, struct value value) {
  struct log_page *page = page_of(log, slot);
  struct log_entry *entry = &page->entries[page_position(page, offset_of(slot))];
  assert(log->pinned && value_is_absent(entry->key));
  *entry = (struct log_entry){key, value};
  page->live++;
  log->live++;
}

/* The last page at log_pin, and pages added since, were not packed. */
void log_unpin(struct dict_log *log) {
  log->pinned = false;
  uint64_t number = log->pinned_page > log->first_page ? log->pinned_page : log->first_page;
  for (; number + 1 < log->first_page + log->page_count; number++) {
    pack_if_sparse(log, (size_t)(number - log->first_page));
  }
}

uint32_t log_last(const struct dict_log *log) {
  assert(log->live > 0);
  return (uint32_t)(log->next - 1);
}

struct log_entry *log_next(const struct dict_log *log, uint64_t *slot, uint32_t *hash) {
  uint64_t start = *slot > first_slot(log) ? *slot : first_slot(log);
  uint64_t number = start >> LOG_PAGE_SHIFT;
  size_t offset = offset_of(start);
  for (; number < log->first_page + log->page_count; number++, offset = 0) {
    struct log_page *page = *page_link(log, (size_t)(number - log->first_page));
    size_t position;
    if (page && page_find(page, &offset, &position)) {
      *slot = (number << LOG_PAGE_SHIFT) + offset + 1;
      *hash = page->hashes[position];
      return &page->entries[position];
    }
  }
  return NULL;
}

/* ---------------------------------------------------------------- building it again */

struct log_form log_form_of(const struct dict_log *log, uint64_t slot) {
  const struct log_page *page = page_of(log, (uint32_t)slot);
  return (struct log_form){slot >> LOG_PAGE_SHIFT, page->capacity, page->bitmap != NULL};
}

static bool is_form(const struct dict_log *log, struct log_form form) {
  uint64_t pages = log->page_count;
  bool is_power = (form.capacity & (form.capacity - 1)) == 0 && form.capacity >= PAGE_CAPACITY_MIN;
  if (form.capacity == 0 || form.capacity > LOG_PAGE_SLOTS || !(form.is_packed || is_power)) {
    return false;
  }
  if (pages == 0) {
    return form.number < UINT64_MAX >> (LOG_PAGE_SHIFT + 1);
  }
  bool is_filled = (*page_link(log, pages - 1))->live > 0;
  return is_filled && form.number >= log->first_page + pages &&
         form.number - log->first_page < LOG_SPAN_MAX >> LOG_PAGE_SHIFT;
}

/* Up to that number there are no entries. */
static bool skip_pages(struct dict_log *log, uint64_t number) {
  while (log->first_page + log->page_count < number) {
    if (!reserve_page(log)) {
      return false;
    }
    *page_link(log, log->page_count++) = NULL;
  }
  return reserve_page(log);
}

bool log_add_form(struct dict_log *log, struct log_form form) {
  size_t before = log->page_count;
  if (!is_form(log, form)) {
    return false;
  }
  if (before == 0) {
    log->first_page = form.number;
  }
  struct log_page *page =
      skip_pages(log, form.number) ? page_new(form.capacity, form.is_packed) : NULL;
  if (!page) {
    return false;
  }
  *page_link(log, log->page_count++) = page;
  log->next = form.number << LOG_PAGE_SHIFT;
  if (before > 0) {
    recount(log, before - 1); /* it is the last no more */
  }
  return true;
}

bool log_add_entry(struct dict_log *log, size_t offset, uint32_t hash, struct log_entry entry,
                   uint32_t *slot) {
  struct log_page *page = log->page_count ? *page_link(log, log->page_count - 1) : NULL;
  if (!page || offset >= LOG_PAGE_SLOTS || offset < offset_of(log->next) ||
      (page->live > 0 && offset_of(log->next) == 0)) {
    return false;
  }
  if (page->bitmap) {
    page_set_bit(page, offset);
  } else {
    while (page->used < offset && page->used < page->capacity) {
      page->hashes[page->used] = 0;
      page->entries[page->used].value = page->entries[page->used].key = (struct value){0};
      page->used++;
    }
  }
  if (page->used == page->capacity) {
    return false;
  }
  page->entries[page->used] = entry;
  page->hashes[page->used] = hash;
  page->used++;
  page->live++;
  log->live++;
  recount(log, log->page_count - 1);
  log->next = ((log->first_page + log->page_count - 1) << LOG_PAGE_SHIFT) + offset + 1;
  *slot = (uint32_t)(log->next - 1);
  return true;
}

void log_begin_at(struct dict_log *log, uint64_t slot) {
  log->next = slot;
  log->first_page = next_page_start(log) >> LOG_PAGE_SHIFT;
}
