/* While the state is loaded SIGTERM and SIGINT end the process at once, whatever the main thread is about to do: it has
 * nothing to lose yet, and may be busy for long. SIGHUP waits.
 *
 * layer   server
 * threads begin and end: the main thread; `abandon`: a thread of its own
 */
#ifndef HF_SERVER_LOADING_H
#define HF_SERVER_LOADING_H

#include <pthread.h>
#include <stdbool.h>

struct loading {
  /* The caller's: removes what would be left behind. */
  void (*abandon)(void *ctx);
  void *ctx;
  int is_over; /* an eventfd */
  pthread_t thread;
};

/* Of one that has what is the caller's. All signals that end the server are blocked. false: errno */
bool loading_begin(struct loading *loading);
/* From now on a signal is pending until somebody waits for it. */
void loading_end(struct loading *loading);

#endif
