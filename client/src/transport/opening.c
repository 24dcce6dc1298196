#include "client/src/transport/opening.h"

#include <errno.h>
#include <string.h>

#include "client/src/transport/dial_error.h"
#include "client/src/transport/rings.h"
#include "proto/base/clock.h"

void opening_begin(struct opening *opening, const struct transport *transport, const char *address,
                   enum sp_protocol own, enum sp_protocol peer, struct dialling *dialling,
                   uint64_t deadline_ns) {
  *opening = (struct opening){.link = {.transport = transport, .fd = -1},
                              .own = own,
                              .peer = peer,
                              .deadline_ns = deadline_ns};
  dialling->chosen.len = 0;
  dialling->has_others = false;
  opening->dial.address = address;
  opening->dial.dialling = dialling;
  opening->dial.deadline_ns = deadline_ns;
  race_begin(&opening->dial.race);
}

void opening_begin_local(struct opening *opening, const char *handshake_path,
                         enum sp_transport framing, enum sp_protocol own, uint64_t deadline_ns) {
  *opening = (struct opening){.link = {.transport = &transport_ring, .fd = -1},
                              .own = own,
                              .deadline_ns = deadline_ns,
                              .is_local = true,
                              .handshake_path = handshake_path,
                              .framing = framing};
  race_begin(&opening->dial.race);
}

/* ---------------------------------------------------------------- a socket */

/* A server that was reached and is silent has others before us: thousands of handshakes take it seconds.
 * Who leaves and comes back stands behind them again, and lets it work in vain. */
static bool has_longer_handshake(const struct opening *opening) {
  const struct dialling *dialling = opening->dial.dialling;
  return opening->link.transport->secure != NULL && dialling->handshake_ms > 0 &&
         dialling_is_sure(dialling);
}

/* One of several addresses may accept the connection and stay silent: leaves time for the others.
 */
static uint64_t hello_until_ns(const struct opening *opening) {
  uint64_t now_ns = clock_now_ns(), deadline_ns = opening->deadline_ns;
  return opening->dial.dialling->has_others && deadline_ns > now_ns
             ? now_ns + (deadline_ns - now_ns) / 2
             : deadline_ns;
}

static void connected(struct opening *opening, int fd) {
  opening->link.fd = fd;
  if (has_longer_handshake(opening)) {
    uint64_t handshake_ms = (uint64_t)opening->dial.dialling->handshake_ms;
    opening->deadline_ns = clock_deadline_ns(clock_now_ns(), handshake_ms);
    opening->hello_until_ns = opening->deadline_ns;
  } else {
    opening->hello_until_ns = hello_until_ns(opening);
  }
}

/* A server of TLS answers a hello in clear by an alert, which is shorter than a hello. */
static bool is_alert(const struct opening *opening) {
  static const uint8_t alert[] = {21, 3}; /* a record's content type and version */
  return opening->link.transport->secure == NULL && opening->received >= sizeof alert &&
         memcmp(opening->hello, alert, sizeof alert) == 0;
}

static int exchange_hellos(struct opening *opening, struct waits *waits) {
  uint8_t own[SP_HELLO_BYTES];
  uint16_t protocol;
  sp_hello_write(own, opening->own);
  int error = link_send_step(&opening->link, own, sizeof own, &opening->sent, waits);
  if (error == 0) {
    error = link_recv_step(&opening->link, opening->hello, sizeof opening->hello,
                           &opening->received, waits);
  }
  if (error == STEP_WAITS) {
    return error;
  }
  if (is_alert(opening)) {
    return DIAL_WANTS_TLS;
  }
  bool is_peer =
      error == 0 && sp_hello_read(opening->hello, &protocol) == SP_OK && protocol == opening->peer;
  return error == 0 && !is_peer ? EPROTO : error;
}

/* The handshake of a secure transport, then the hellos. */
static int greet(struct opening *opening, struct waits *waits) {
  struct link *link = &opening->link;
  const struct transport *transport = link->transport;
  int error = 0;
  if (!opening->is_secure && transport->secure != NULL) {
    error = transport->secure(link, &opening->dial, waits);
  }
  if (error == 0) {
    opening->is_secure = true;
    error = exchange_hellos(opening, waits);
  }
  if (error == STEP_WAITS) {
    waits_until(waits, opening->hello_until_ns);
    return clock_now_ns() >= opening->hello_until_ns ? ETIMEDOUT : STEP_WAITS;
  }
  return error != 0 && transport->explain != NULL ? transport->explain(link, &opening->dial, error)
                                                  : error;
}

static int step_socket(struct opening *opening, struct waits *waits) {
  if (opening->link.fd < 0) {
    int fd = -1;
    int error = opening->link.transport->dial(&opening->dial, &fd, waits);
    if (error != 0) {
      return error;
    }
    connected(opening, fd);
  }
  return greet(opening, waits);
}

/* ---------------------------------------------------------------- the local handshake */

static int step_local(struct opening *opening, struct waits *waits) {
  struct link *link = &opening->link;
  int error = 0;
  if (link->fd < 0) {
    link->fd = rings_connect(opening->handshake_path, &opening->why);
    error =
        link->fd < 0 ? errno : rings_begin(link->fd, opening->framing, opening->own, &opening->why);
  }
  if (error == 0) {
    error = rings_step(link->fd, opening->own, &link->rings, &opening->why);
  }
  if (error == STEP_WAITS) {
    opening->why = "the server did not answer at the local handshake in time"; /* at the deadline */
    waits_add(waits, link->fd, POLLIN);
  }
  return error;
}

/* ---------------------------------------------------------------- both */

int opening_step(struct opening *opening, struct link *link, struct waits *waits) {
  int error = opening->is_local ? step_local(opening, waits) : step_socket(opening, waits);
  if (error == STEP_WAITS && clock_now_ns() < opening->deadline_ns) {
    waits_until(waits, opening->deadline_ns);
    return STEP_WAITS;
  }
  if (error == 0) {
    *link = opening->link;
    opening->link.fd = -1;
    opening->link.rings = NULL;
    opening->link.tls = NULL;
  }
  opening_end(opening);
  return error == STEP_WAITS ? ETIMEDOUT : error;
}

void opening_end(struct opening *opening) {
  link_close(&opening->link);
  race_end(&opening->dial.race);
  resolve_end(opening->dial.search);
  opening->dial.search = NULL;
}
