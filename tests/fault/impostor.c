/* See impostor.h. */
#define _GNU_SOURCE /* accept4 */
#include "tests/fault/impostor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/limits.h"
#include "proto/status.h"

#define STACK_BYTES (256u << 10)
#define PAUSE_NS 5000000

static enum sp_transport framing_of(const struct impostor_peer *peer) {
  return peer->impostor->ipc_path != NULL ? SP_IPC : SP_TCP;
}

bool impostor_send(struct impostor_peer *peer, const void *data, size_t len) {
  for (size_t sent = 0; sent < len;) {
    ssize_t count = send(peer->fd, (const char *)data + sent, len - sent, MSG_NOSIGNAL);
    if (count <= 0 && errno != EINTR) {
      return false;
    }
    sent += count > 0 ? (size_t)count : 0;
  }
  return true;
}

bool impostor_send_payload(struct impostor_peer *peer, uint32_t id, const void *payload,
                           size_t len) {
  uint8_t head[SP_PREFIX_BYTES_MAX + 4];
  struct sp_route route = sp_route_of(id);
  size_t head_len = sp_prefix_write(framing_of(peer), head, route.len + len);
  memcpy(head + head_len, route.words, route.len);
  return impostor_send(peer, head, head_len + route.len) && impostor_send(peer, payload, len);
}

bool impostor_reply(struct impostor_peer *peer, uint32_t id, uint64_t sequence,
                    Holdfast__Response *reply) {
  reply->sequence = sequence;
  size_t len = holdfast__response__get_packed_size(reply);
  uint8_t *payload = malloc(len + 1);
  if (payload == NULL) {
    return false;
  }
  holdfast__response__pack(reply, payload);
  bool is_sent = impostor_send_payload(peer, id, payload, len);
  free(payload);
  return is_sent;
}

static bool answer_session(struct impostor_peer *peer, uint32_t id) {
  static const uint8_t name[HF_SESSION_BYTES] = "an impostor's  ";
  Holdfast__Session plain = HOLDFAST__SESSION__INIT;
  Holdfast__Response reply = HOLDFAST__RESPONSE__INIT;
  plain.id = (ProtobufCBinaryData){sizeof name, (uint8_t *)(uintptr_t)name};
  plain.grace_ms = 5000;
  const Holdfast__Session *session = peer->impostor->session;
  reply.result_case = HOLDFAST__RESPONSE__RESULT_SESSION;
  reply.session = session != NULL ? (Holdfast__Session *)(uintptr_t)session : &plain;
  return impostor_reply(peer, id, 0, &reply);
}

static bool answer_loading(struct impostor_peer *peer, uint32_t id) {
  Holdfast__Response reply = HOLDFAST__RESPONSE__INIT;
  const char *word = hf_reason_name(HF_REASON_LOADING);
  reply.status = HF_UNAVAILABLE;
  reply.reason = (ProtobufCBinaryData){strlen(word), (uint8_t *)(uintptr_t)word};
  atomic_fetch_add(&peer->impostor->put_off, 1);
  return impostor_reply(peer, id, 0, &reply);
}

static bool answer(struct impostor_peer *peer, uint32_t id, const Holdfast__Request *request) {
  struct impostor *impostor = peer->impostor;
  if (atomic_load(&impostor->is_loading)) {
    return answer_loading(peer, id);
  }
  if (request->operation_case == HOLDFAST__REQUEST__OPERATION_OPEN_SESSION) {
    atomic_fetch_add(&impostor->sessions, 1);
    return answer_session(peer, id);
  }
  if (request->operation_case == HOLDFAST__REQUEST__OPERATION_RESUME_SESSION) {
    atomic_store(&impostor->process, request->resume_session->process);
    atomic_fetch_add(&impostor->resumes, 1);
    return answer_session(peer, id);
  }
  if (request->operation_case == HOLDFAST__REQUEST__OPERATION_ACKNOWLEDGE) {
    return true;
  }
  peer->count++;
  atomic_fetch_add(&impostor->requests, 1);
  return impostor->answer(peer, id, request);
}

static bool receive(struct impostor_peer *peer, void *data, size_t len) {
  for (size_t received = 0; received < len;) {
    ssize_t count = recv(peer->fd, (char *)data + received, len - received, 0);
    if (count <= 0 && (count == 0 || errno != EINTR)) {
      return false;
    }
    received += count > 0 ? (size_t)count : 0;
  }
  return true;
}

static bool receive_hello(struct impostor_peer *peer) {
  uint8_t hello[SP_HELLO_BYTES];
  uint16_t protocol;
  if (!receive(peer, hello, sizeof hello) || sp_hello_read(hello, &protocol) != SP_OK) {
    return false;
  }
  sp_hello_write(hello, (enum sp_protocol)(protocol + 1));
  return impostor_send(peer, hello, sizeof hello);
}

static bool serve_one(struct impostor_peer *peer) {
  uint8_t prefix[SP_PREFIX_BYTES_MAX];
  size_t prefix_len = sp_prefix_bytes(framing_of(peer)), len = 0;
  if (!receive(peer, prefix, prefix_len)) {
    return false;
  }
  for (size_t i = prefix_len - 8; i < prefix_len; i++) {
    len = len << 8 | prefix[i];
  }
  uint8_t *body = len < (32u << 20) ? malloc(len + 1) : NULL;
  bool goes_on = body != NULL && receive(peer, body, len);
  struct sp_route route;
  struct bytes payload;
  if (goes_on && sp_route_read(bytes_of(body, len), &route, &payload) == SP_OK) {
    Holdfast__Request *request = holdfast__request__unpack(NULL, payload.len, payload.data);
    goes_on = request != NULL && answer(peer, sp_route_id(&route), request);
    if (request != NULL) {
      holdfast__request__free_unpacked(request, NULL);
    }
  }
  free(body);
  return goes_on;
}

static void *serve(void *argument) {
  struct impostor_peer *peer = argument;
  struct impostor *impostor = peer->impostor;
  char byte;
  if (impostor->is_silent) {
    while (receive(peer, &byte, 1)) {
    }
  } else if (receive_hello(peer)) {
    while (!atomic_load(&impostor->is_over) && serve_one(peer)) {
    }
  }
  close(peer->fd);
  free(peer);
  atomic_fetch_sub(&impostor->running, 1);
  return NULL;
}

static void start_thread(void *(*run)(void *), void *argument) {
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  if (pthread_create(&thread, &attributes, run, argument) != 0) {
    perror("impostor: thread");
    abort();
  }
  pthread_attr_destroy(&attributes);
}

/* Reads time out, so that a thread sees that it is over. */
static void prepare(int fd) {
  const int on = 1;
  const struct timeval timeout = {.tv_sec = 20};
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
}

static void *accept_all(void *argument) {
  struct impostor *impostor = argument;
  int fd;
  while ((fd = accept4(impostor->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
    struct impostor_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) {
      abort();
    }
    *peer = (struct impostor_peer){.impostor = impostor, .fd = fd};
    prepare(fd);
    atomic_fetch_add(&impostor->connections, 1);
    atomic_fetch_add(&impostor->running, 1);
    start_thread(serve, peer);
  }
  atomic_fetch_sub(&impostor->running, 1);
  return NULL;
}

static int listen_tcp(struct impostor *impostor) {
  const int on = 1;
  const char *text = impostor->tcp_address != NULL ? impostor->tcp_address : "127.0.0.1";
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(impostor->port)};
  socklen_t address_len = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  assert_int_equal(inet_pton(AF_INET, text, &address.sin_addr), 1);
  assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &address_len), 0);
  impostor->port = ntohs(address.sin_port);
  return fd;
}

static int listen_ipc(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  unlink(path);
  assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

void impostor_start(struct impostor *impostor) {
  impostor->listener =
      impostor->ipc_path != NULL ? listen_ipc(impostor->ipc_path) : listen_tcp(impostor);
  assert_int_equal(listen(impostor->listener, 256), 0);
  atomic_store(&impostor->is_over, false);
  atomic_store(&impostor->running, 1);
  start_thread(accept_all, impostor);
}

/* Its clients are closed by then, so its threads end by themselves. */
void impostor_stop(struct impostor *impostor) {
  const struct timespec pause = {.tv_nsec = PAUSE_NS};
  atomic_store(&impostor->is_over, true);
  shutdown(impostor->listener, SHUT_RDWR);
  while (atomic_load(&impostor->running) > 0) {
    nanosleep(&pause, NULL);
  }
  close(impostor->listener);
  if (impostor->ipc_path != NULL) {
    unlink(impostor->ipc_path);
  }
}
