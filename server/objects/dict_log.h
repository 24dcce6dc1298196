/* The log of a dict: its entries in the order of insertion, in pages of 512 slots.
 *
 * layer   objects; private to the dict
 * shapes  A slot is a 64-bit number that stays with its entry, so it can be a cursor; only slots
 *         behind the last entry are given again. Page number and offset are its upper bits and its
 *         lower 9; the index keeps its lower 32 bits, which name one slot as long as the log spans
 *         fewer than 2^32 of them.
 * memory  The log does not count values: log_append takes them, log_remove gives them back.
 *
 *   a page         dense or packed (dict_page.h)
 *   last page      dense, grows 8, 16, ... 512 while it is filled
 *   no page        every entry deleted
 */
#ifndef HF_OBJECTS_DICT_LOG_H
#define HF_OBJECTS_DICT_LOG_H

#include "server/objects/dict_page.h"

/* Slots between the first and the next at most; tests make it small. */
#ifndef LOG_SPAN_MAX
#define LOG_SPAN_MAX UINT32_MAX
#endif

struct dict_log {
  struct log_page **pages; /* room for page_capacity pointers; NULL: all deleted */
  size_t page_capacity;
  size_t head;          /* pages[head] is page number first_page */
  size_t page_count;    /* the first and the last are never NULL */
  uint64_t first_page;  /* page number */
  uint64_t next;        /* the slot after the last entry */
  size_t live;          /* entries */
  size_t counted_bytes; /* of the pages: see below */
  bool pinned;          /* deleted entries leave their slots free; no page is moved or freed */
  uint64_t pinned_page; /* number of the last page at log_pin */
};

void log_init(struct dict_log *log);
/* Bytes that the pages count for: a function of the slots in use and of the next, whatever was there
 * before. A dense page counts for 512 entries, the last one for the room it has at most, a packed one,
 * which has room for twice as many as it has at most, for 5/8 more than it has. */
size_t log_counted_bytes(const struct dict_log *log);
/* Frees the pages, not the values. */
void log_deinit(struct dict_log *log);
/* Forgets every entry, not the values; slots go on rising. */
void log_clear(struct dict_log *log);

/* false: out of memory, or full. */
bool log_append(struct dict_log *log, uint32_t hash, struct value key, struct value value,
                uint32_t *slot);
/* Whether the next append, the first of `count`, would make the log too long for 32-bit slots. */
bool log_is_full(const struct dict_log *log, size_t count);

/* The entry of a slot that is in use; valid until the log changes. */
struct log_entry *log_entry_at(const struct dict_log *log, uint32_t slot);
uint32_t log_hash_at(const struct dict_log *log, uint32_t slot);
/* Starts to fetch what log_hash_at will read; only a hint. */
void log_prefetch_hash(const struct dict_log *log, uint32_t slot);
/* Deletes the entry of a slot in use; frees and packs pages, unless the log is pinned. */
void log_remove(struct dict_log *log, uint32_t slot);
/* Frees and packs what removals left of the slot's page, and of those around it. */
void log_tidy(struct dict_log *log, uint32_t slot);
void log_pin(struct dict_log *log);
/* Puts an entry back that was removed since the log was pinned, with its hash. */
void log_restore(struct dict_log *log, uint32_t slot, struct value key, struct value value);
/* After log_tidy of each slot that was removed meanwhile. */
void log_unpin(struct dict_log *log);
/* The slot of the last entry; the log is not empty. */
uint32_t log_last(const struct dict_log *log);
/* The first entry at *slot or after it; *slot moves behind it. NULL: none. */
struct log_entry *log_next(const struct dict_log *log, uint64_t *slot, uint32_t *hash);

/* ---- the same log again, page by page and slot by slot, from an empty one */

/* How a page is kept, which decides what slots are given later. */
struct log_form {
  uint64_t number;
  uint32_t capacity;
  bool is_packed;
};
/* Of the page of a slot in use. */
struct log_form log_form_of(const struct dict_log *log, uint64_t slot);
/* A page without entries, behind all others, to get one at least. false: out of memory, or no log has
 * such a page there. */
bool log_add_form(struct dict_log *log, struct log_form form);
/* An entry of the last page, behind all others. false: there is none at that offset. */
bool log_add_entry(struct dict_log *log, size_t offset, uint32_t hash, struct log_entry entry,
                   uint32_t *slot);
/* An empty log goes on there. */
void log_begin_at(struct dict_log *log, uint64_t slot);

#endif
