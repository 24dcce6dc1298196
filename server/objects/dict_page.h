/* A page of a dict's log: the entries of 512 slots, of which some are deleted. A slot's offset in its page is its
 * lower 9 bits; its position is where its entry is.
 *
 *   dense page     [entry entry -     entry ...]            offset is position; - is deleted
 *   packed page    bitmap of 512 bits, [entry entry entry]  position is the rank of the offset
 *
 * layer   objects; private to the dict's log
 * memory  one block of malloc, which free() frees; values are not counted here
 */
#ifndef HF_OBJECTS_DICT_PAGE_H
#define HF_OBJECTS_DICT_PAGE_H

#include "proto/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_PAGE_SLOTS 512
#define LOG_PAGE_SHIFT 9
#define LOG_BITMAP_BYTES (LOG_PAGE_SLOTS / 8)

/* Key and value side by side: a hit touches one cache line. */
struct log_entry {
  struct value key; /* VALUE_ABSENT: deleted */
  struct value value;
};

struct log_page {
  struct log_entry *entries;
  uint32_t *hashes;
  uint64_t *bitmap;  /* of a packed page; NULL: dense */
  uint16_t capacity; /* entries there is room for */
  uint16_t used;     /* entries written, deleted ones included */
  uint16_t live;
  uint32_t counted_bytes;
};

/* Bytes of a page with room for that many entries. */
static inline size_t page_bytes(size_t capacity, bool packed) {
  return sizeof(struct log_page) + capacity * (sizeof(struct log_entry) + sizeof(uint32_t)) +
         (packed ? LOG_BITMAP_BYTES : 0);
}
/* Without entries. NULL: out of memory. */
struct log_page *page_new(size_t capacity, bool packed);
/* A packed page with the live entries only. NULL: out of memory. */
struct log_page *page_pack(const struct log_page *page);

/* How many slots before offset a packed page has kept. */
size_t page_rank(const struct log_page *page, size_t offset);
/* Where a page keeps the entry of an offset that is in use. */
static inline size_t page_position(const struct log_page *page, size_t offset) {
  return page->bitmap ? page_rank(page, offset) : offset;
}

/* A packed page has the slot. */
static inline void page_set_bit(struct log_page *page, size_t offset) {
  page->bitmap[offset / 64] |= UINT64_C(1) << (offset % 64);
}
/* The offset after a packed page's last used entry. */
size_t page_packed_end(const struct log_page *page);
/* The first live offset at `offset` or after it, and its position; false: none. */
bool page_find(const struct log_page *page, size_t *offset, size_t *position);

#endif
