/* Which kinds there are.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_KINDS_TABLE_H
#define HF_ENGINE_KINDS_TABLE_H

struct kind;

/* The row of the kind of that number: see kind.h. NULL: there is none. */
const struct kind *kind_find(int number);

#endif
