#include "server/objects/dict_page.h"

#include <stdlib.h>
#include <string.h>

/* One block: head, entries, bitmap, hashes; in order of alignment. */
struct log_page *page_new(size_t capacity, bool packed) {
  size_t size = page_bytes(capacity, packed);
  struct log_page *page = malloc(size);
  if (!page) {
    return NULL;
  }
  struct log_entry *entries = (struct log_entry *)(page + 1);
  uint64_t *bitmap = (uint64_t *)(entries + capacity);
  *page = (struct log_page){
      .entries = entries,
      .bitmap = packed ? bitmap : NULL,
      .hashes = (uint32_t *)(packed ? bitmap + LOG_BITMAP_BYTES / sizeof *bitmap : bitmap),
      .capacity = (uint16_t)capacity,
  };
  if (packed) {
    memset(bitmap, 0, LOG_BITMAP_BYTES);
  }
  return page;
}

static bool bit_is_set(const struct log_page *page, size_t offset) {
  return page->bitmap[offset / 64] >> (offset % 64) & 1;
}

size_t page_rank(const struct log_page *page, size_t offset) {
  size_t rank = 0;
  for (size_t i = 0; i < offset / 64; i++) {
    rank += (size_t)__builtin_popcountll(page->bitmap[i]);
  }
  uint64_t before = (UINT64_C(1) << (offset % 64)) - 1;
  return rank + (size_t)__builtin_popcountll(page->bitmap[offset / 64] & before);
}

static void copy_entry(struct log_page *to, const struct log_page *from, size_t position) {
  to->entries[to->used] = from->entries[position];
  to->hashes[to->used] = from->hashes[position];
  to->used++;
}

struct log_page *page_pack(const struct log_page *page) {
  struct log_page *packed = page_new(page->live, true);
  if (!packed) {
    return NULL;
  }
  size_t position = 0;
  for (size_t offset = 0; offset < LOG_PAGE_SLOTS && position < page->used; offset++) {
    if (page->bitmap && !bit_is_set(page, offset)) {
      continue;
    }
    if (!value_is_absent(page->entries[position].key)) {
      page_set_bit(packed, offset);
      copy_entry(packed, page, position);
    }
    position++;
  }
  packed->live = page->live;
  return packed;
}

size_t page_packed_end(const struct log_page *page) {
  size_t end = LOG_PAGE_SLOTS;
  while (!bit_is_set(page, end - 1) || page_rank(page, end - 1) >= page->used) {
    end--;
  }
  return end;
}

bool page_find(const struct log_page *page, size_t *offset, size_t *position) {
  if (!page->bitmap) {
    while (*offset < page->used && value_is_absent(page->entries[*offset].key)) {
      ++*offset;
    }
    *position = *offset;
    return *offset < page->used;
  }
  for (size_t at = page_rank(page, *offset); at < page->used; ++*offset) {
    if (!bit_is_set(page, *offset)) {
      continue;
    }
    if (!value_is_absent(page->entries[at].key)) {
      *position = at;
      return true;
    }
    at++;
  }
  return false;
}
