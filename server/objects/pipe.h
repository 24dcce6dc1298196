/* The pipe: two ends, a line of values in each direction.
 *
 *   end 0  --- lines[1] --->  end 1        lines[e] is what end e will receive
 *          <-- lines[0] ----
 *
 * layer   objects
 * source  Python's multiprocessing.Pipe: what was sent can be received after the sender closed;
 * then end of file. One-way: end 1 sends, end 0 receives.
 */
#ifndef HF_OBJECTS_PIPE_H
#define HF_OBJECTS_PIPE_H

#include "server/objects/list.h"

struct pipe {
  struct list lines[2];
  bool closed[2];
  size_t attached[2]; /* sessions on each end */
  bool one_way;
};

static inline bool pipe_may_send(const struct pipe *pipe, unsigned end) {
  return end == 1 || !pipe->one_way;
}

static inline bool pipe_may_receive(const struct pipe *pipe, unsigned end) {
  return end == 0 || !pipe->one_way;
}

#endif
