/* See proxy.h. One process, one poll loop, a table of links. */
#include "tests/fault/proxy.h"

#include "tests/support/random.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINKS_MAX 1024
#define FLOW_BYTES 16384
#define TICK_MS 1
#define NEVER INT64_MAX

/* One direction: what was read from one side and waits for the other. */
struct flow {
  uint8_t bytes[FLOW_BYTES];
  size_t len;
  int64_t delayed_until_ms;
};

/* side[0] is the client, side[1] the server; flows[i] has what was read from side[i]. */
struct link {
  int side[2];
  struct flow flows[2];
  int64_t cut_at_ms;
  bool is_half_open;
};

struct state {
  struct proxy_options options;
  struct proxy_counts *counts;
  struct random randomness;
  struct link *links[LINKS_MAX];
  size_t links_count;
  int listener;
  uint16_t target_port;
  int64_t next_stall_ms, next_half_open_ms, next_storm_ms;
  uint32_t storm_cuts_left;
  int64_t refuse_until_ms;
};

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void set_up_socket(int fd) {
  int on = 1;
  fcntl(fd, F_SETFL, O_NONBLOCK);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void close_side(int fd, bool with_reset) {
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  if (with_reset) {
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
  }
  close(fd);
}

static void drop_link(struct state *state, size_t idx, bool with_reset) {
  struct link *link = state->links[idx];
  close_side(link->side[0], with_reset);
  close_side(link->side[1], with_reset);
  free(link);
  state->links[idx] = state->links[--state->links_count];
}

/* Somewhere around the average, never at a fixed beat. */
static int64_t moment_after(struct state *state, uint32_t average_ms, int64_t now) {
  return average_ms == 0 ? NEVER
                         : now + 1 + (int64_t)random_below(&state->randomness, 2ull * average_ms);
}

static void refuse(struct state *state, int client) {
  close_side(client, true);
  atomic_fetch_add(&state->counts->refused, 1);
}

static void accept_link(struct state *state, int64_t now) {
  struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons(state->target_port)};
  int client = accept(state->listener, NULL, NULL);
  if (client < 0) {
    return;
  }
  if (now < state->refuse_until_ms) {
    refuse(state, client);
    return;
  }
  uint32_t address = state->options.target_address;
  target.sin_addr.s_addr = htonl(address == 0 ? INADDR_LOOPBACK : address);
  int server = socket(AF_INET, SOCK_STREAM, 0);
  struct link *link = calloc(1, sizeof(*link));
  if (link == NULL || server < 0 || state->links_count == LINKS_MAX ||
      connect(server, (struct sockaddr *)&target, sizeof(target)) != 0) {
    close_side(client, true);
    if (server >= 0) {
      close(server);
    }
    free(link);
    return;
  }
  set_up_socket(client);
  set_up_socket(server);
  link->side[0] = client;
  link->side[1] = server;
  link->cut_at_ms = moment_after(state, state->options.life_ms, now);
  state->links[state->links_count++] = link;
  atomic_fetch_add(&state->counts->accepted, 1);
}

/* false: that side is closed. */
static bool fill_flow(struct state *state, struct link *link, int from, int64_t now) {
  struct flow *flow = &link->flows[from];
  ssize_t got = recv(link->side[from], flow->bytes + flow->len, FLOW_BYTES - flow->len, 0);
  if (got > 0) {
    flow->len += (size_t)got;
    uint32_t delay_ms_max = state->options.delay_ms_max;
    if (delay_ms_max > 0 && flow->delayed_until_ms <= now) {
      flow->delayed_until_ms = now + (int64_t)random_below(&state->randomness, delay_ms_max + 1);
    }
  }
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool empty_flow(struct state *state, struct link *link, int from, int64_t now) {
  struct flow *flow = &link->flows[from];
  if (flow->len == 0 || flow->delayed_until_ms > now) {
    return true;
  }
  size_t len = flow->len;
  if (state->options.dribble_bytes > 0 && len > state->options.dribble_bytes) {
    len = 1 + random_below(&state->randomness, state->options.dribble_bytes);
  }
  ssize_t sent = send(link->side[1 - from], flow->bytes, len, MSG_NOSIGNAL);
  if (sent < 0) {
    return errno == EAGAIN || errno == EINTR;
  }
  flow->len -= (size_t)sent;
  memmove(flow->bytes, flow->bytes + sent, flow->len);
  atomic_fetch_add(&state->counts->bytes, (unsigned long long)sent);
  return true;
}

/* Half of the cuts let a part of what is under way through: a broken frame. */
static void cut_link(struct state *state, size_t idx, int64_t now) {
  struct link *link = state->links[idx];
  for (int from = 0; from < 2 && !link->is_half_open; from++) {
    struct flow *flow = &link->flows[from];
    (void)fill_flow(state, link, from, now);
    if (flow->len > 0 && random_below(&state->randomness, 2) == 0) {
      flow->len = random_below(&state->randomness, flow->len);
      (void)send(link->side[1 - from], flow->bytes, flow->len, MSG_NOSIGNAL);
    }
  }
  drop_link(state, idx, link->is_half_open || random_below(&state->randomness, 2) == 0);
  atomic_fetch_add(&state->counts->cut, 1);
}

static void stall_one(struct state *state, int64_t now) {
  state->next_stall_ms = moment_after(state, state->options.stall_every_ms, now);
  if (state->links_count == 0) {
    return;
  }
  struct link *link = state->links[random_below(&state->randomness, state->links_count)];
  struct flow *flow = &link->flows[random_below(&state->randomness, 2)];
  flow->delayed_until_ms = now + state->options.stall_ms;
  atomic_fetch_add(&state->counts->stalled, 1);
}

static void half_open_one(struct state *state, int64_t now) {
  state->next_half_open_ms = moment_after(state, state->options.half_open_every_ms, now);
  if (state->links_count == 0) {
    return;
  }
  struct link *link = state->links[random_below(&state->randomness, state->links_count)];
  if (!link->is_half_open) {
    link->is_half_open = true;
    link->cut_at_ms = now + state->options.half_open_ms;
    atomic_fetch_add(&state->counts->half_opened, 1);
  }
}

/* One cut of a storm; the last one begins the refusing. */
static void storm(struct state *state, int64_t now) {
  if (state->storm_cuts_left == 0) {
    state->storm_cuts_left = state->options.storm_cuts;
    atomic_fetch_add(&state->counts->storms, 1);
  }
  while (state->links_count > 0) {
    cut_link(state, state->links_count - 1, now);
  }
  state->next_storm_ms = now + STORM_GAP_MS;
  if (--state->storm_cuts_left == 0) {
    state->refuse_until_ms = now + state->options.refuse_ms;
    state->next_storm_ms = moment_after(state, state->options.storm_every_ms, now);
  }
}

static int64_t earlier(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* Delayed bytes and unwritable sides are polled every TICK_MS; the rest wakes the loop. */
static int wait_for_events(struct state *state, struct pollfd *pollfds, int64_t now) {
  bool is_delaying = false;
  int64_t next_ms = earlier(state->next_stall_ms, state->next_half_open_ms);
  next_ms = earlier(next_ms, state->next_storm_ms);
  pollfds[0] = (struct pollfd){.fd = state->listener, .events = POLLIN};
  for (size_t i = 0; i < state->links_count; i++) {
    bool is_half_open = state->links[i]->is_half_open;
    next_ms = earlier(next_ms, state->links[i]->cut_at_ms);
    for (int from = 0; from < 2; from++) {
      struct flow *flow = &state->links[i]->flows[from];
      bool may_read = flow->len < FLOW_BYTES && flow->delayed_until_ms <= now && !is_half_open;
      is_delaying =
          is_delaying || (!is_half_open && (flow->len > 0 || flow->delayed_until_ms > now));
      pollfds[1 + 2 * i + (size_t)from] =
          (struct pollfd){.fd = may_read ? state->links[i]->side[from] : -1, .events = POLLIN};
    }
  }
  int64_t left_ms = next_ms == NEVER ? 1000 : next_ms - now;
  int timeout_ms = is_delaying ? TICK_MS : left_ms < 0 ? 0 : (int)left_ms;
  return poll(pollfds, (nfds_t)(1 + 2 * state->links_count), timeout_ms);
}

static bool serve_link(struct state *state, size_t idx, const struct pollfd *pollfds, int64_t now) {
  struct link *link = state->links[idx];
  for (int from = 0; from < 2 && !link->is_half_open; from++) {
    struct flow *flow = &link->flows[from];
    bool readable = pollfds[1 + 2 * idx + (size_t)from].revents != 0;
    if (readable && flow->len < FLOW_BYTES && flow->delayed_until_ms <= now &&
        !fill_flow(state, link, from, now)) {
      return false;
    }
    if (!empty_flow(state, link, from, now)) {
      return false;
    }
  }
  return true;
}

/* Downwards: a dropped link is replaced by one that was served already. */
static void serve_links(struct state *state, const struct pollfd *pollfds, int64_t now) {
  for (size_t i = state->links_count; i-- > 0;) {
    if (!serve_link(state, i, pollfds, now)) {
      drop_link(state, i, false);
    } else if (now >= state->links[i]->cut_at_ms) {
      cut_link(state, i, now);
    }
  }
}

static void do_harm(struct state *state, int64_t now) {
  if (now >= state->next_stall_ms) {
    stall_one(state, now);
  }
  if (now >= state->next_half_open_ms) {
    half_open_one(state, now);
  }
  if (now >= state->next_storm_ms) {
    storm(state, now);
  }
}

static void serve(struct state *state) {
  static struct pollfd pollfds[1 + 2 * LINKS_MAX];
  int64_t begun_ms = now_ms();
  state->next_stall_ms = moment_after(state, state->options.stall_every_ms, begun_ms);
  state->next_half_open_ms = moment_after(state, state->options.half_open_every_ms, begun_ms);
  state->next_storm_ms = moment_after(state, state->options.storm_every_ms, begun_ms);
  for (;;) {
    (void)wait_for_events(state, pollfds, now_ms());
    int64_t now = now_ms();
    serve_links(state, pollfds, now);
    if ((pollfds[0].revents & POLLIN) != 0) {
      accept_link(state, now);
    }
    do_harm(state, now);
  }
}

static int listen_on_loopback(uint16_t *port) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t address_len = sizeof(address);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
      listen(fd, 1024) != 0 || getsockname(fd, (struct sockaddr *)&address, &address_len) != 0) {
    err(1, "proxy: listen");
  }
  fcntl(fd, F_SETFL, O_NONBLOCK);
  *port = ntohs(address.sin_port);
  return fd;
}

void proxy_start(struct proxy *proxy, uint16_t target_port, const struct proxy_options *options) {
  static struct state state;
  *proxy = (struct proxy){.options = *options};
  proxy->counts =
      mmap(NULL, sizeof(*proxy->counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (proxy->counts == MAP_FAILED) {
    err(1, "proxy: mmap");
  }
  int listener = listen_on_loopback(&proxy->port);
  proxy->pid = fork();
  if (proxy->pid < 0) {
    err(1, "proxy: fork");
  }
  if (proxy->pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    state = (struct state){.options = *options,
                           .counts = proxy->counts,
                           .randomness = {options->seed},
                           .listener = listener,
                           .target_port = target_port};
    serve(&state);
  }
  close(listener);
}

void proxy_stop(struct proxy *proxy) {
  kill(proxy->pid, SIGKILL);
  waitpid(proxy->pid, NULL, 0);
  munmap(proxy->counts, sizeof(*proxy->counts));
  proxy->counts = NULL;
}
