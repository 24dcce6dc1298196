/* The index of a dict: from a key's hash to the slot of its entry in the log.
 *
 * layer   objects; private to the dict
 * source  extendible hashing over segments with open addressing and linear probing
 * shapes  32 bits of hash: the upper ones choose the segment, the lower 9 the slot, the 8 above
 *         those are the slot's tag, so that most probes never look into the log.
 * cost    A full segment splits in two: 512 slots are all that is ever moved at once, besides the
 *         directory's pointers when that doubles (8 bytes for some 300 entries).
 *
 *   directory, 2^depth    segments
 *   [00] ------------->   depth 2: tags | log slots
 *   [01] ------------->   depth 2
 *   [10] --.---------->   depth 1: both directory entries point here
 *   [11] --'
 *
 * A dict of up to 416 entries has one segment of 8 to 512 slots. Deletion shifts back within the
 * segment; sparse neighbours merge again: an entry takes 6 to 20 bytes.
 */
#ifndef HF_OBJECTS_DICT_INDEX_H
#define HF_OBJECTS_DICT_INDEX_H

#include "server/objects/dict_log.h"

#define INDEX_SLOTS_MAX 512
/* Directories beyond that are not worth having: all 32 bits are in use by then. */
#define INDEX_DEPTH_MAX 23

struct index_segment {
  uint16_t capacity; /* a power of two */
  uint16_t count;
  uint8_t depth; /* leading hash bits that all its entries share */
  uint8_t unused[3];
  uint8_t tags[]; /* 0: free; as many log slots, 32 bits each, follow the tags */
};

struct dict_index {
  struct index_segment **directory; /* 2^depth; NULL: nothing was ever inserted */
  unsigned depth;
  size_t deepest_count; /* segments whose depth is the directory's */
};

void index_init(struct dict_index *index);
void index_deinit(struct dict_index *index);

/* The log slot of an equal key. false: not there. */
bool index_find(const struct dict_index *index, const struct dict_log *log, uint32_t hash,
                struct value key, uint32_t *log_slot);
/* Brings nearer what index_find and index_insert will look at for that hash. Changes nothing. */
void index_prefetch(const struct dict_index *index, uint32_t hash);
/* Sees to a free slot for that hash. false: out of memory. */
bool index_reserve(struct dict_index *index, const struct dict_log *log, uint32_t hash);
/* After index_reserve for the same hash; the key is not there yet. */
void index_insert(struct dict_index *index, uint32_t hash, uint32_t log_slot);
/* Gives memory back after removals around that hash. */
void index_tidy(struct dict_index *index, const struct dict_log *log, uint32_t hash);
/* Before the slot is removed from the log. Tidies, unless the log is pinned: a removed entry can be
 * inserted again without a reserve. */
void index_remove(struct dict_index *index, const struct dict_log *log, uint32_t hash,
                  uint32_t log_slot);
/* Frees all slots and keeps the segments, so that inserting the same hashes needs no reserve. */
void index_forget_slots(struct dict_index *index);

#endif
