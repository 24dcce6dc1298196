/* Which word was meant.
 *
 * layer   config, internal
 */
#ifndef HF_CONFIG_SPELLING_H
#define HF_CONFIG_SPELLING_H

#include <stddef.h>

/* Letters that differ, at most 3: swapped neighbours count as one, and words between underscores may
 * stand in another order. */
unsigned spelling_distance(const char *word, const char *other);
/* Beyond it nothing is near. */
#define SPELLING_NEAR 2

#endif
