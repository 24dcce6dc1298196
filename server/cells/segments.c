#include "server/cells/segments.h"

#include "proto/base/descriptors.h"
#include "proto/base/map64.h"
#include "proto/cell_layout.h"
#include "proto/limits.h"
#include "server/cells/mapping_reclaimer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <unistd.h>

#define PAGE_BYTES ((size_t)4096)
#define SLOT_BYTES_MIN 128u
#define SLOTS_MAX (HF_ARENA_BYTES / SLOT_BYTES_MIN)
#define CLASS_COUNT 10 /* 128 bytes, doubling, to HF_ARENA_CELL_BYTES_MAX */
_Static_assert(SLOT_BYTES_MIN << (CLASS_COUNT - 1) == HF_ARENA_CELL_BYTES_MAX, "size classes");
_Static_assert(SLOT_BYTES_MIN % CELL_ALIGNMENT == 0, "every slot is aligned");

struct segment {
  struct mapping mapping;
  TAILQ_ENTRY(segment) link; /* arenas: in arenas[size_class], those with room first */
  uint64_t id;
  enum shared_content content;
  /* Arenas. */
  bool is_arena;
  size_t slot_bytes;
  size_t live_count; /* slots with a cell */
  size_t used_count; /* slots with a cell, and retired ones */
  size_t next;       /* where the search for a free slot begins: behind the last one taken */
  uint64_t used[SLOTS_MAX / 64];
};
TAILQ_HEAD(segment_list, segment);

struct segments {
  pthread_mutex_t mutex;
  struct map64 by_id;
  struct segment_list arenas[CLASS_COUNT];
  uint64_t last_id;
  size_t bytes;      /* of all */
  size_t cell_count; /* in use */
  struct mapping_reclaimer reclaimer;
};

/* ---- a segment */

static int make_memfd(size_t bytes, unsigned more_seals, char **mapped) {
  void *address = MAP_FAILED;
  int fd = descriptors_for_client(memfd_create("holdfast", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (fd < 0) {
    return -1;
  }
  if (ftruncate(fd, (off_t)bytes) == 0) {
    address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | (int)more_seals;
  if (address == MAP_FAILED || fcntl(fd, F_ADD_SEALS, seals) != 0) {
    if (address != MAP_FAILED) {
      munmap(address, bytes);
    }
    close(fd);
    return -1;
  }
  *mapped = address;
  return fd;
}

/* Mappings that are not unmapped yet count too: a client may create and delete cells faster than the
 * reclaimer unmaps. */
static bool is_allowed(struct segments *segments, size_t bytes) {
  const struct unreclaimed left = mapping_reclaimer_left(&segments->reclaimer);
  size_t taken = segments->bytes + left.bytes;
  return segments->by_id.count + left.count < HF_SEGMENTS_MAX && taken <= HF_SEGMENTS_BYTES_MAX &&
         bytes <= HF_SEGMENTS_BYTES_MAX - taken;
}

static struct segment *open_segment(struct segments *segments, enum shared_content content,
                                    size_t bytes, unsigned more_seals) {
  if (!is_allowed(segments, bytes)) {
    return NULL;
  }
  struct segment *segment = calloc(1, sizeof *segment);
  if (!segment) {
    return NULL;
  }
  struct mapping *mapping = &segment->mapping;
  mapping->fd = make_memfd(bytes, more_seals, &mapping->address);
  if (mapping->fd < 0) {
    free(segment);
    return NULL;
  }
  mapping->bytes = bytes;
  segment->content = content;
  shared_header_write(mapping->address, content, bytes);
  segment->id = segments->last_id + 1;
  if (!map64_set(&segments->by_id, segment->id, segment)) {
    mapping_close(mapping);
    return NULL;
  }
  segments->last_id++;
  segments->bytes += bytes;
  return segment;
}

/* Removes the segment; deferred free of its memory. */
static void close_segment(struct segments *segments, struct segment *segment) {
  map64_remove(&segments->by_id, segment->id);
  segments->bytes -= segment->mapping.bytes;
  mapping_reclaimer_add(&segments->reclaimer, &segment->mapping);
}

/* ---- arenas */

static unsigned class_of(size_t bytes) {
  unsigned size_class = 0;
  while ((size_t)SLOT_BYTES_MIN << size_class < bytes) {
    size_class++;
  }
  return size_class;
}

static size_t slots_of(const struct segment *arena) {
  return (arena->mapping.bytes - SHARED_HEADER_BYTES) / arena->slot_bytes;
}

static bool is_whole(const struct segment *segment) {
  const struct mapping *mapping = &segment->mapping;
  return shared_header_check(mapping->address, segment->content, mapping->bytes) == NULL;
}

/* An arena whose header a client has overwritten gets no more cells: clients could not map them. */
static bool has_room(const struct segment *arena) {
  return arena && arena->used_count < slots_of(arena) && is_whole(arena);
}

static struct segment *find_arena(struct segments *segments, unsigned size_class) {
  struct segment_list *arenas = &segments->arenas[size_class];
  struct segment *arena = TAILQ_FIRST(arenas);
  if (has_room(arena)) {
    return arena;
  }
  arena = open_segment(segments, SHARED_CELLS, HF_ARENA_BYTES, 0);
  if (arena) {
    arena->is_arena = true;
    arena->slot_bytes = (size_t)SLOT_BYTES_MIN << size_class;
    TAILQ_INSERT_HEAD(arenas, arena, link);
  }
  return arena;
}

static bool is_used(const struct segment *arena, size_t position) {
  return arena->used[position / 64] >> (position % 64) & 1;
}

/* Requires has_room. */
static size_t take_slot(struct segments *segments, struct segment *arena) {
  size_t position = arena->next, count = slots_of(arena);
  while (is_used(arena, position)) {
    position = (position + 1) % count;
  }
  arena->used[position / 64] |= UINT64_C(1) << (position % 64);
  arena->next = (position + 1) % count;
  arena->live_count++;
  if (++arena->used_count == count) { /* full ones last */
    struct segment_list *arenas = &segments->arenas[class_of(arena->slot_bytes)];
    TAILQ_REMOVE(arenas, arena, link);
    TAILQ_INSERT_TAIL(arenas, arena, link);
  }
  return position;
}

/* Moves the arena to its position in the list, or closes it. One empty arena of each class is kept for
 * the next cell, if it has a free slot and its header is valid. */
static void review_arena(struct segments *segments, struct segment *arena) {
  struct segment_list *arenas = &segments->arenas[class_of(arena->slot_bytes)];
  TAILQ_REMOVE(arenas, arena, link);
  bool is_needed = arena->used_count == 0 && has_room(arena) && !has_room(TAILQ_FIRST(arenas));
  if (arena->live_count == 0 && !is_needed) {
    close_segment(segments, arena);
  } else if (has_room(arena)) {
    TAILQ_INSERT_HEAD(arenas, arena, link);
  } else {
    TAILQ_INSERT_TAIL(arenas, arena, link);
  }
}

static void free_slot(struct segments *segments, struct segment *arena, size_t position) {
  arena->used[position / 64] &= ~(UINT64_C(1) << (position % 64));
  arena->used_count--;
  arena->live_count--;
  review_arena(segments, arena);
}

static void retire_slot(struct segments *segments, struct segment *arena) {
  arena->live_count--; /* the slot stays used */
  review_arena(segments, arena);
}

/* ---- the source */

static bool allocate_small(struct segments *segments, size_t bytes,
                           struct cell_location *location) {
  struct segment *arena = find_arena(segments, class_of(bytes));
  if (!arena) {
    return false;
  }
  size_t offset = SHARED_HEADER_BYTES + take_slot(segments, arena) * arena->slot_bytes;
  char *address = arena->mapping.address + offset;
  *location = (struct cell_location){arena->id, offset, arena->slot_bytes, (void *)address};
  memset(address, 0, location->bytes);
  return true;
}

static bool allocate_large(struct segments *segments, size_t bytes,
                           struct cell_location *location) {
  size_t whole = (SHARED_HEADER_BYTES + bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
  struct segment *segment = whole >= bytes ? open_segment(segments, SHARED_CELLS, whole, 0) : NULL;
  if (!segment) {
    return false;
  }
  *location = (struct cell_location){segment->id, SHARED_HEADER_BYTES, whole - SHARED_HEADER_BYTES,
                                     (void *)(segment->mapping.address + SHARED_HEADER_BYTES)};
  return true;
}

static bool allocate(void *ctx, size_t bytes, struct cell_location *location) {
  struct segments *segments = ctx;
  pthread_mutex_lock(&segments->mutex);
  bool done = bytes <= HF_ARENA_CELL_BYTES_MAX ? allocate_small(segments, bytes, location)
                                               : allocate_large(segments, bytes, location);
  segments->cell_count += done;
  pthread_mutex_unlock(&segments->mutex);
  return done;
}

static void release(void *ctx, const struct cell_location *location) {
  struct segments *segments = ctx;
  pthread_mutex_lock(&segments->mutex);
  segments->cell_count--;
  struct segment *segment = map64_get(&segments->by_id, location->segment);
  if (segment->is_arena) {
    free_slot(segments, segment, (location->offset - SHARED_HEADER_BYTES) / segment->slot_bytes);
  } else {
    close_segment(segments, segment);
  }
  pthread_mutex_unlock(&segments->mutex);
}

/* The memory of a large cell is never given to another cell: closing its segment is enough. */
static void retire(void *ctx, const struct cell_location *location) {
  struct segments *segments = ctx;
  pthread_mutex_lock(&segments->mutex);
  segments->cell_count--;
  struct segment *segment = map64_get(&segments->by_id, location->segment);
  if (segment->is_arena) {
    retire_slot(segments, segment);
  } else {
    close_segment(segments, segment);
  }
  pthread_mutex_unlock(&segments->mutex);
}

static size_t count_cells(void *ctx) {
  struct segments *segments = ctx;
  pthread_mutex_lock(&segments->mutex);
  size_t count = segments->cell_count;
  pthread_mutex_unlock(&segments->mutex);
  return count;
}

struct segment_source segments_source(struct segments *segments) {
  return (struct segment_source){segments, allocate, release, retire, count_cells};
}

int segments_duplicate(struct segments *segments, uint64_t id, size_t *bytes) {
  pthread_mutex_lock(&segments->mutex);
  struct segment *segment = id ? map64_get(&segments->by_id, id) : NULL;
  int fd = segment && is_whole(segment) ? fcntl(segment->mapping.fd, F_DUPFD_CLOEXEC, 0) : -1;
  if (fd >= 0) {
    *bytes = segment->mapping.bytes;
  }
  pthread_mutex_unlock(&segments->mutex);
  return fd;
}

size_t segments_count(struct segments *segments) {
  pthread_mutex_lock(&segments->mutex);
  size_t count = segments->by_id.count;
  pthread_mutex_unlock(&segments->mutex);
  return count;
}

/* ---- life */

/* Locks the mutex of the server's life, and checks that the futex's word is where the layout says and
 * names the owner. */
static bool lock_life(struct cell_life *life) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  bool locked =
      pthread_mutex_init(&life->mutex, &attributes) == 0 && pthread_mutex_lock(&life->mutex) == 0;
  pthread_mutexattr_destroy(&attributes);
  return locked && (atomic_load(&life->word) & CELL_WORD_THREAD) == (uint32_t)gettid();
}

static bool begin_life(struct segments *segments) {
  struct segment *segment =
      open_segment(segments, SHARED_SERVER_LIFE, PAGE_BYTES, F_SEAL_FUTURE_WRITE);
  return segment && lock_life((struct cell_life *)(void *)segment->mapping.address);
}

struct segments *segments_new(void) {
  struct segments *segments = calloc(1, sizeof *segments);
  if (!segments || !mapping_reclaimer_start(&segments->reclaimer)) {
    free(segments);
    return NULL;
  }
  pthread_mutex_init(&segments->mutex, NULL);
  for (size_t i = 0; i < CLASS_COUNT; i++) {
    TAILQ_INIT(&segments->arenas[i]);
  }
  segments->last_id = CELL_LIFE_SEGMENT - 1;
  uint32_t start;
  if (!begin_life(segments) || getrandom(&start, sizeof start, 0) != sizeof start) {
    segments_free(segments);
    return NULL;
  }
  segments->last_id += (uint64_t)start << 24; /* ids differ from those of an earlier server */
  return segments;
}

void segments_free(struct segments *segments) {
  struct segment *life = map64_get(&segments->by_id, CELL_LIFE_SEGMENT);
  if (life) { /* clients can't write there: its list is as this thread left it */
    pthread_mutex_unlock(&((struct cell_life *)(void *)life->mapping.address)->mutex);
  }
  mapping_reclaimer_stop(&segments->reclaimer);
  uint64_t position = 0;
  uint64_t id;
  void *item;
  while (map64_next(&segments->by_id, &position, &id, &item)) {
    mapping_close(&((struct segment *)item)->mapping);
  }
  map64_deinit(&segments->by_id);
  pthread_mutex_destroy(&segments->mutex);
  free(segments);
}
