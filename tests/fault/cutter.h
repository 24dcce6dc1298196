/* Cuts a client's own connections at random moments: for those through shared memory what the proxy
 * is for those over tcp.
 *
 * A thread of the client shuts down the Unix sockets of its process: those that its rings hang on,
 * and the sockets it resorts to when a local handshake was cut during its hello. One way or both
 * ways, so that now one side notices first and now the other. What is in the rings stays there.
 * Most cuts spare what is new: after a hello that failed a client leaves shared memory alone for a
 * second, and that is not what is to be tested all the time.
 *
 * threads one cutter in a process; started and stopped by any one thread, after the fork
 */
#ifndef HF_TESTS_FAULT_CUTTER_H
#define HF_TESTS_FAULT_CUTTER_H

#include <holdfast/holdfast.h>
#include <stdatomic.h>
#include <stdint.h>

/* Counts of all processes, in shared memory. */
struct cutter_counts {
  atomic_ullong handshakes, sockets;  /* cut */
  atomic_ullong through_rings, calls; /* recorded calls */
};

struct cutter_options {
  uint64_t seed;
  unsigned life_ms;             /* of connections, on average */
  struct cutter_counts *counts; /* of cutter_counts_new */
};

/* Shared with the processes forked later; freed by munmap, or with the process. */
struct cutter_counts *cutter_counts_new(void);

/* Exits the process on failure. */
void cutter_start(const struct cutter_options *options, int idx);
/* No connection is cut from here on. */
void cutter_stop(void);
/* Records the path of the next call, or batch of calls; ignored before cutter_start. */
void cutter_record_call(hf_conn *conn);

/* In the test: prints the counts. Fails if fewer than cuts_min local handshakes were cut, or if
 * less than a quarter of the recorded calls used rings. */
void cutter_report(struct cutter_counts *counts, uint64_t cuts_min);

#endif
