/* Counting the words of a text in memory; see wordcount.h. */
#include "client/examples/wordcount.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

bool wordcount_is_letter(uint8_t character) {
  uint8_t lower = character | 0x20;
  return lower >= 'a' && lower <= 'z';
}

/* FNV-1a of the lowercased letters; unkeyed, since the table lives for one batch. */
static uint64_t hash_word(const uint8_t *text, size_t size) {
  uint64_t hash = UINT64_C(14695981039346656037);
  for (size_t i = 0; i < size; i++)
    hash = (hash ^ (text[i] | 0x20)) * UINT64_C(1099511628211);
  return hash;
}

static bool is_same_word(const struct word *word, const uint8_t *text, size_t size) {
  if (word->size != size)
    return false;
  for (size_t i = 0; i < size; i++)
    if ((uint8_t)word->text[i] != (text[i] | 0x20))
      return false;
  return true;
}

static struct word *find_slot(const struct word_table *table, const uint8_t *text, size_t size) {
  size_t mask = table->slot_count - 1;
  size_t idx = hash_word(text, size) & mask;
  while (table->slots[idx].text != NULL && !is_same_word(&table->slots[idx], text, size))
    idx = (idx + 1) & mask;
  return &table->slots[idx];
}

static void grow(struct word_table *table) {
  struct word_table larger = {.slot_count = table->slot_count == 0 ? 4096 : table->slot_count * 2,
                              .used = table->used};
  larger.slots = calloc(larger.slot_count, sizeof *larger.slots);
  if (larger.slots == NULL)
    err(1, "memory for words");
  for (size_t i = 0; i < table->slot_count; i++) {
    struct word *word = &table->slots[i];
    if (word->text != NULL)
      *find_slot(&larger, (const uint8_t *)word->text, word->size) = *word;
  }
  free(table->slots);
  *table = larger;
}

static void count_word(struct word_table *table, const uint8_t *text, size_t size) {
  if (table->used * 2 >= table->slot_count)
    grow(table);
  struct word *slot = find_slot(table, text, size);
  if (slot->text == NULL) {
    slot->text = malloc(size);
    if (slot->text == NULL)
      err(1, "memory for words");
    for (size_t i = 0; i < size; i++)
      slot->text[i] = (char)(text[i] | 0x20);
    slot->size = size;
    table->used++;
  }
  slot->count++;
}

uint64_t word_table_count(struct word_table *table, const uint8_t *text, size_t size_bytes) {
  uint64_t words = 0;
  for (size_t start = 0; start < size_bytes;) {
    size_t end = start;
    while (end < size_bytes && wordcount_is_letter(text[end]))
      end++;
    if (end > start) {
      count_word(table, text + start, end - start);
      words++;
    }
    start = end + 1;
  }
  return words;
}

void word_table_clear(struct word_table *table) {
  for (size_t i = 0; i < table->slot_count; i++) {
    free(table->slots[i].text);
    table->slots[i] = (struct word){0};
  }
  table->used = 0;
}

void word_table_deinit(struct word_table *table) {
  word_table_clear(table);
  free(table->slots);
  *table = (struct word_table){0};
}
