#include "server/transport/tls_gate.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/limits.h"
#include "server/transport/address_text.h"
#include "server/transport/failures.h"
#include "server/transport/tls_opening.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 4
/* Somebody who was served within this time will come back soon. */
#define BUSY_NS (20 * CLOCK_NS_PER_MS)
/* After this time the threads look again whether anybody is served. */
#define BUSY_POLL_MS 5
#define WAVE_MS 100

STAILQ_HEAD(tls_line, tls_stream);
TAILQ_HEAD(tls_openings, tls_stream);

struct worker {
  struct tls_gate *gate;
  pthread_t thread;
  bool is_first; /* works even while others are served */
};

struct tls_gate {
  const struct transport_acceptor *acceptor;
  struct transport_acceptor own;
  struct buffer_budget *budget;
  struct tls_gate_host host;
  struct limited_log limited_log;
  struct worker workers[THREADS_MAX];
  unsigned workers_count;

  pthread_mutex_t lock;  /* for all below; before a stream's */
  pthread_cond_t first;  /* the line has somebody; on the monotonic clock, as the next */
  pthread_cond_t others; /* and more than the first worker can do */
  pthread_cond_t empty;  /* alive_count became 0 */
  struct tls_context *context;
  struct failures failures;
  struct tls_openings openings; /* whose handshake is not over, the oldest first */
  struct tls_line line;
  uint32_t openings_count; /* of these, those that were not closed for others */
  uint32_t alive_count;    /* all of them */
  uint32_t line_count;
  bool is_crowded; /* as the host is to know it */
  bool stopping;

  pthread_mutex_t report_lock; /* before `lock` */
  bool reported;
};

/* ----------------------------------------------------------------------------------- the host */

static bool is_serving(const struct tls_gate *gate) {
  uint64_t served_ns = gate->host.served_ns(gate->host.ctx);
  uint64_t now_ns = clock_now_ns();
  return served_ns != 0 && now_ns < served_ns + BUSY_NS;
}

/* Crowded: there are more than the threads can work on, or than there may be at a time, so that others stand in the
 * socket's queue; until the line is empty and half of them are free. Each opening ends through the line, so
 * this is called for the last. */
static bool update_crowded_locked(struct tls_gate *gate) {
  bool was_crowded = gate->is_crowded;
  uint32_t openings_max = was_crowded ? HF_HANDSHAKES_MAX / 2 : HF_HANDSHAKES_MAX;
  gate->is_crowded = gate->line_count > (was_crowded ? 0 : gate->workers_count) ||
                     gate->openings_count >= openings_max;
  return gate->is_crowded != was_crowded;
}

static void report_crowded(struct tls_gate *gate) {
  pthread_mutex_lock(&gate->report_lock);
  pthread_mutex_lock(&gate->lock);
  bool is_crowded = gate->is_crowded;
  pthread_mutex_unlock(&gate->lock);
  if (is_crowded != gate->reported) {
    gate->reported = is_crowded;
    gate->host.crowded(gate->host.ctx, is_crowded);
  }
  pthread_mutex_unlock(&gate->report_lock);
}

/* ----------------------------------------------------------------------------------- the line */

static void join_line(struct tls_gate *gate, struct tls_stream *stream) {
  atomic_store(&stream->kept_until_ns, 0);
  atomic_store(&stream->is_delayed, false);
  pthread_mutex_lock(&gate->lock);
  STAILQ_INSERT_TAIL(&gate->line, stream, next_in_line);
  gate->line_count++;
  bool changed = update_crowded_locked(gate);
  pthread_cond_signal(&gate->first);
  if (gate->line_count > 1) {
    pthread_cond_signal(&gate->others);
  }
  pthread_mutex_unlock(&gate->lock);
  if (changed) {
    report_crowded(gate);
  }
}

/* Waits; at most for a moment, if there is somebody in the line who may not be worked on yet. */
static void wait_locked(struct tls_gate *gate, pthread_cond_t *cond) {
  struct timespec until;
  if (gate->line_count == 0) {
    pthread_cond_wait(cond, &gate->lock);
    return;
  }
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += BUSY_POLL_MS * (long)CLOCK_NS_PER_MS;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  pthread_cond_timedwait(cond, &gate->lock, &until);
}

/* The next of the line; NULL: the gate is stopped. */
static struct tls_stream *take_next(struct tls_gate *gate, bool is_first, bool *changed) {
  struct tls_stream *stream = NULL;
  pthread_mutex_lock(&gate->lock);
  for (;;) {
    bool may_work = gate->line_count > 0 && (is_first || !is_serving(gate));
    if (may_work || (gate->stopping && gate->alive_count == 0)) {
      break;
    }
    wait_locked(gate, is_first ? &gate->first : &gate->others);
  }
  if ((stream = STAILQ_FIRST(&gate->line)) != NULL) {
    STAILQ_REMOVE_HEAD(&gate->line, next_in_line);
    gate->line_count--;
    *changed = update_crowded_locked(gate);
  }
  pthread_mutex_unlock(&gate->lock);
  return stream;
}

/* --------------------------------------------------------------------------------- handshakes */

/* From the openings. Also a wake-up for who waits until there are none. */
static void forget_locked(struct tls_gate *gate, struct tls_stream *stream) {
  TAILQ_REMOVE(&gate->openings, stream, next_opening);
  gate->openings_count -= !stream->is_evicted;
  if (--gate->alive_count == 0) {
    pthread_cond_broadcast(&gate->empty);
    pthread_cond_broadcast(&gate->first);
    pthread_cond_broadcast(&gate->others);
  }
}

static const char *why_refused(const struct tls *tls) {
  switch (tls_failure(tls)) {
    case TLS_FAILURE_PLAIN:
      return "plain client at a tls address";
    case TLS_FAILURE_KEY:
      return "wrong key";
    case TLS_FAILURE_NO_CERTIFICATE:
      return "neither a key nor a certificate";
    default:
      return tls_failure_text(tls);
  }
}

/* user: whom the peer says to be; "": nobody, or it is not known yet. */
static void log_refusal(struct tls_gate *gate, uint64_t address, const char *why,
                        const char *user) {
  char from[ADDRESS_TEXT_BYTES];
  address_text(address, from);
  if (*user != '\0') {
    limited_log_line(&gate->limited_log, "refused from=%s why=\"%s\" user=%s", from, why, user);
  } else {
    limited_log_line(&gate->limited_log, "refused from=%s why=\"%s\"", from, why);
  }
}

/* A peer that made the server work, and left, has failed too; one with a right key may be in a crowd,
 * where both sides are slow. */
static bool counts_as_failure(const struct tls_stream *stream, enum tls_opening opening) {
  return opening == TLS_OPENING_REFUSED ||
         (!tls_opening_is_proven(stream) && (opening == TLS_OPENING_LATE || stream->has_worked));
}

static void end(struct tls_gate *gate, struct tls_stream *stream, enum tls_opening opening) {
  if (opening == TLS_OPENING_REFUSED) {
    log_refusal(gate, stream->address, why_refused(stream->tls), tls_claimed_user(stream->tls));
  } else if (opening == TLS_OPENING_LATE) {
    log_refusal(gate, stream->address, "no handshake in time", tls_claimed_user(stream->tls));
  }
  pthread_mutex_lock(&gate->lock);
  if (!stream->is_evicted && counts_as_failure(stream, opening)) {
    failures_add(&gate->failures, stream->address, clock_now_ns());
  }
  forget_locked(gate, stream);
  pthread_mutex_lock(&stream->lock);
  tls_stream_close_locked(stream);
  pthread_mutex_unlock(&stream->lock);
  pthread_mutex_unlock(&gate->lock);
  tls_stream_free(stream);
}

static void hand_over(struct tls_gate *gate, struct tls_stream *stream) {
  struct transport_peer peer = {
      .address = stream->address, .framing = SP_TCP, .hello_deadline_ns = stream->deadline_ns};
  tls_opening_identity(stream, &peer.identity);
  pthread_mutex_lock(&gate->lock);
  if (peer.identity.kind != IDENTITY_NONE) {
    failures_forget(&gate->failures, stream->address);
  }
  forget_locked(gate, stream);
  pthread_mutex_unlock(&gate->lock);
  stream->is_accepted = true;
  stream->events = gate->acceptor->events;
  if (!gate->acceptor->accept(gate->acceptor->ctx, &tls_transport, stream, &peer,
                              &stream->connection)) {
    tls_transport.close(stream);
    tls_stream_free(stream);
  }
}

/* Goes on with the handshake; the stream may be gone. */
static void work_on(struct tls_gate *gate, struct tls_stream *stream) {
  enum tls_opening opening = tls_opening_go_on(stream);
  if (opening == TLS_OPENING_DONE) {
    hand_over(gate, stream);
  } else if (opening != TLS_OPENING_WAITS) {
    end(gate, stream, opening);
  }
}

static void *work(void *arg) {
  struct worker *worker = arg;
  struct tls_stream *stream;
  bool changed = false;
  while ((stream = take_next(worker->gate, worker->is_first, &changed)) != NULL) {
    work_on(worker->gate, stream);
    if (changed) {
      report_crowded(worker->gate);
    }
  }
  return NULL;
}

/* ---------------------------------------------------------------------------------- accepting */

static void evict_locked(struct tls_gate *gate, struct tls_stream *stream) {
  stream->is_evicted = true;
  gate->openings_count--;
  pthread_mutex_lock(&stream->lock);
  tls_stream_close_locked(stream);
  pthread_mutex_unlock(&stream->lock);
}

/* Who has to go for another: the oldest whose peer had its time, or else the oldest that is delayed;
 * NULL: all wait for us, or have just begun. */
static struct tls_stream *find_victim_locked(struct tls_gate *gate) {
  uint64_t now_ns = clock_now_ns();
  struct tls_stream *stream, *delayed = NULL;
  TAILQ_FOREACH(stream, &gate->openings, next_opening) {
    uint64_t until_ns = atomic_load(&stream->kept_until_ns);
    if (until_ns == 0 || stream->is_evicted) {
      continue;
    }
    if (now_ns >= until_ns) {
      return stream;
    }
    if (delayed == NULL && atomic_load(&stream->is_delayed)) {
      delayed = stream;
    }
  }
  return delayed;
}

/* Those that were closed to make room keep their memory until a worker has seen it. */
static bool has_too_many_locked(const struct tls_gate *gate) {
  return gate->alive_count >= (size_t)2 * HF_HANDSHAKES_MAX;
}

static bool is_full(void *ctx) {
  struct tls_gate *gate = ctx;
  pthread_mutex_lock(&gate->lock);
  bool is_full = has_too_many_locked(gate) ||
                 (gate->openings_count >= HF_HANDSHAKES_MAX && find_victim_locked(gate) == NULL);
  pthread_mutex_unlock(&gate->lock);
  return is_full;
}

/* Of those that are delayed the first ones stay: if each took the place of another, a crowd at one address
 * would never get through. */
static bool may_replace(struct tls_stream *victim, uint32_t delay_ms) {
  return victim != NULL && (delay_ms == 0 || !atomic_load(&victim->is_delayed));
}

static void log_too_many(struct tls_gate *gate, uint64_t address) {
  log_refusal(gate, address, "too many handshakes", "");
}

/* Makes room for one more. false: there is none. */
static bool make_room_locked(struct tls_gate *gate, struct tls_stream *stream, uint32_t delay_ms) {
  if (has_too_many_locked(gate)) {
    return false;
  }
  if (gate->openings_count < HF_HANDSHAKES_MAX) {
    return true;
  }
  struct tls_stream *victim = find_victim_locked(gate);
  bool has_room = may_replace(victim, delay_ms);
  log_too_many(gate, has_room ? victim->address : stream->address);
  if (has_room) {
    evict_locked(gate, victim);
  }
  return has_room;
}

static bool refuses(void *ctx, uint64_t address) {
  struct tls_gate *gate = ctx;
  pthread_mutex_lock(&gate->lock);
  uint32_t delay_ms = failures_delay_ms(&gate->failures, address, clock_now_ns());
  bool is_refused = delay_ms > 0 && gate->openings_count >= HF_HANDSHAKES_MAX &&
                    !may_replace(find_victim_locked(gate), delay_ms);
  pthread_mutex_unlock(&gate->lock);
  if (is_refused) {
    log_too_many(gate, address);
  }
  return is_refused;
}

/* Delays end together, at the next full WAVE_MS: for each moment at which some end, nng looks through all
 * of its timers. */
static uint32_t until_wave_ms(uint64_t now_ns, uint32_t delay_ms) {
  uint32_t over_ms = (uint32_t)((now_ns / CLOCK_NS_PER_MS + delay_ms) % WAVE_MS);
  return delay_ms == 0 || over_ms == 0 ? delay_ms : delay_ms + WAVE_MS - over_ms;
}

static bool join_openings(struct tls_gate *gate, struct tls_stream *stream, uint32_t *delay_ms) {
  uint64_t now_ns = clock_now_ns();
  stream->deadline_ns = clock_deadline_ns(now_ns, HF_HELLO_TIMEOUT_MS);
  pthread_mutex_lock(&gate->lock);
  *delay_ms = until_wave_ms(now_ns, failures_delay_ms(&gate->failures, stream->address, now_ns));
  bool joins = !gate->stopping && make_room_locked(gate, stream, *delay_ms);
  if (joins) {
    TAILQ_INSERT_TAIL(&gate->openings, stream, next_opening);
    gate->openings_count++;
    gate->alive_count++;
  }
  pthread_mutex_unlock(&gate->lock);
  return joins;
}

/* NULL: out of memory; the stream below is the caller's. */
static struct tls_stream *new_stream(struct tls_gate *gate, const struct transport *lower,
                                     void *lower_stream, uint64_t address) {
  pthread_mutex_lock(&gate->lock);
  struct tls_context *context = tls_context_share(gate->context);
  pthread_mutex_unlock(&gate->lock);
  struct tls_stream *stream = tls_stream_new(context, gate->budget, lower, lower_stream);
  tls_context_release(context);
  if (stream != NULL) {
    stream->gate = gate;
    stream->address = address;
    stream->limited_log = &gate->limited_log;
  }
  return stream;
}

static bool accept_stream(void *ctx, const struct transport *lower, void *lower_stream,
                          const struct transport_peer *peer, void **connection) {
  struct tls_gate *gate = ctx;
  struct tls_stream *stream = new_stream(gate, lower, lower_stream, peer->address);
  uint32_t delay_ms = 0;
  if (stream == NULL) {
    return false;
  }
  *connection = stream;
  if (!join_openings(gate, stream, &delay_ms)) {
    tls_stream_discard(stream);
    return false;
  }
  if (!tls_opening_begin(stream, delay_ms)) {
    join_line(gate, stream);
  }
  return true;
}

/* -------------------------------------------------------------------------------------- events */

static void event(void *self, bool is_readable) {
  struct tls_stream *stream = self;
  if (!stream->is_accepted) {
    join_line(stream->gate, stream);
  } else if (is_readable) {
    stream->events->readable(stream->connection);
  } else {
    stream->events->writable(stream->connection);
  }
}

static void event_readable(void *stream) {
  event(stream, true);
}

static void event_writable(void *stream) {
  event(stream, false);
}

/* The rows below have threads of their own: neither polls. */
static const struct transport_events lower_events = {.readable = event_readable,
                                                     .writable = event_writable};

/* ---------------------------------------------------------------------------------------- life */

static void init_cond(pthread_cond_t *cond) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(cond, &attributes);
  pthread_condattr_destroy(&attributes);
}

static bool start_workers(struct tls_gate *gate) {
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned wanted = processors < 1             ? 1
                    : processors < THREADS_MAX ? (unsigned)processors
                                               : THREADS_MAX;
  while (gate->workers_count < wanted) {
    struct worker *worker = &gate->workers[gate->workers_count];
    *worker = (struct worker){.gate = gate, .is_first = gate->workers_count == 0};
    if (pthread_create(&worker->thread, NULL, work, worker) != 0) {
      return false;
    }
    gate->workers_count++;
  }
  return true;
}

struct tls_gate *tls_gate_new(const struct transport_acceptor *acceptor,
                              struct buffer_budget *budget, const struct tls_gate_host *host) {
  struct tls_gate *gate = calloc(1, sizeof *gate);
  if (gate == NULL) {
    return NULL;
  }
  gate->acceptor = acceptor;
  gate->own = (struct transport_acceptor){.ctx = gate,
                                          .accept = accept_stream,
                                          .is_full = is_full,
                                          .refuses = refuses,
                                          .events = &lower_events};
  gate->budget = budget;
  gate->host = *host;
  limited_log_init(&gate->limited_log);
  TAILQ_INIT(&gate->openings);
  STAILQ_INIT(&gate->line);
  pthread_mutex_init(&gate->lock, NULL);
  pthread_mutex_init(&gate->report_lock, NULL);
  init_cond(&gate->first);
  init_cond(&gate->others);
  init_cond(&gate->empty);
  if (!start_workers(gate)) {
    tls_gate_stop(gate);
    tls_gate_free(gate);
    return NULL;
  }
  return gate;
}

void tls_gate_use(struct tls_gate *gate, struct tls_context *context) {
  pthread_mutex_lock(&gate->lock);
  struct tls_context *former = gate->context;
  gate->context = context;
  pthread_mutex_unlock(&gate->lock);
  tls_context_release(former);
}

const struct transport_acceptor *tls_gate_acceptor(struct tls_gate *gate) {
  return &gate->own;
}

void tls_gate_stop(struct tls_gate *gate) {
  struct tls_stream *stream;
  pthread_mutex_lock(&gate->lock);
  gate->stopping = true;
  TAILQ_FOREACH(stream, &gate->openings, next_opening) {
    if (!stream->is_evicted) {
      evict_locked(gate, stream);
    }
  }
  pthread_cond_broadcast(&gate->first);
  pthread_cond_broadcast(&gate->others);
  while (gate->alive_count > 0) {
    pthread_cond_wait(&gate->empty, &gate->lock);
  }
  pthread_mutex_unlock(&gate->lock);
  for (unsigned i = 0; i < gate->workers_count; i++) {
    pthread_join(gate->workers[i].thread, NULL);
  }
  gate->workers_count = 0;
}

void tls_gate_free(struct tls_gate *gate) {
  tls_context_release(gate->context);
  limited_log_deinit(&gate->limited_log);
  pthread_cond_destroy(&gate->first);
  pthread_cond_destroy(&gate->others);
  pthread_cond_destroy(&gate->empty);
  pthread_mutex_destroy(&gate->lock);
  pthread_mutex_destroy(&gate->report_lock);
  free(gate);
}
