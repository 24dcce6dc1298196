#include "server/config/spelling.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX 48 /* longer words are near to nothing */
#define FAR (SPELLING_NEAR + 1)

static unsigned least(unsigned a, unsigned b) {
  return a < b ? a : b;
}

/* Damerau and Levenshtein's, without edits within a swapped pair. */
static unsigned edits(const char *word, const char *other) {
  unsigned rows[3][BYTES_MAX + 1];
  size_t len = strlen(word), other_len = strlen(other);
  if (len > BYTES_MAX || other_len > BYTES_MAX) {
    return FAR;
  }
  for (size_t j = 0; j <= other_len; j++) {
    rows[0][j] = (unsigned)j;
  }
  for (size_t i = 1; i <= len; i++) {
    unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
    row[0] = (unsigned)i;
    for (size_t j = 1; j <= other_len; j++) {
      row[j] = least(least(row[j - 1], above[j]) + 1, above[j - 1] + (word[i - 1] != other[j - 1]));
      if (i > 1 && j > 1 && word[i - 1] == other[j - 2] && word[i - 2] == other[j - 1]) {
        row[j] = least(row[j], before[j - 2] + 1);
      }
    }
  }
  return least(rows[len % 3][other_len], FAR);
}

static int compare_words(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Its words in the order of the alphabet. */
static void sort_words(const char *word, char sorted[BYTES_MAX + 1]) {
  char copy[BYTES_MAX + 1], *rest = copy, *each;
  const char *words[BYTES_MAX];
  size_t count = 0;
  snprintf(copy, sizeof copy, "%s", word);
  while ((each = strsep(&rest, "_-")) != NULL && count < BYTES_MAX) {
    words[count++] = each;
  }
  qsort(words, count, sizeof *words, compare_words);
  size_t len = 0;
  sorted[0] = '\0';
  for (size_t i = 0; i < count; i++) {
    len += (size_t)snprintf(sorted + len, BYTES_MAX + 1 - len, "%s%s", i > 0 ? "_" : "", words[i]);
  }
}

unsigned spelling_distance(const char *word, const char *other) {
  char sorted[BYTES_MAX + 1], other_sorted[BYTES_MAX + 1];
  if (strlen(word) > BYTES_MAX || strlen(other) > BYTES_MAX) {
    return FAR;
  }
  sort_words(word, sorted);
  sort_words(other, other_sorted);
  return least(edits(word, other), edits(sorted, other_sorted));
}
