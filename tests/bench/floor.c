/* See floor.h. The server is the least one can write: epoll, recv, send. */
#define _GNU_SOURCE
#include "tests/bench/floor.h"

#include "tests/bench/process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int listen_tcp(char *address, size_t size) {
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof(in);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(fd, (struct sockaddr *)&in, len) != 0 || listen(fd, 128) != 0 ||
      getsockname(fd, (struct sockaddr *)&in, &len) != 0)
    bench_fail("echo: %s", strerror(errno));
  snprintf(address, size, "127.0.0.1:%u", ntohs(in.sin_port));
  return fd;
}

static int listen_local(const char *dir, char *address, size_t size) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  snprintf(address, size, "%s/echo.sock", dir);
  snprintf(un.sun_path, sizeof(un.sun_path), "%.107s", address);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(fd, (struct sockaddr *)&un, sizeof(un)) != 0 || listen(fd, 128) != 0)
    bench_fail("echo: %s: %s", address, strerror(errno));
  return fd;
}

static void watch(int epoll, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
    bench_fail("echo: epoll: %s", strerror(errno));
}

static void accept_one(int epoll, int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (fd < 0)
    return;
  /* Fails on a local socket, which needs it not. */
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  watch(epoll, fd);
}

static void echo(int fd) {
  char buffer[4096];
  ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
  if (got <= 0)
    close(fd);
  else
    socket_send(fd, buffer, (size_t)got);
}

static _Noreturn void serve(const int listeners[BENCH_TRANSPORT_COUNT]) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < BENCH_TRANSPORT_COUNT; i++)
    watch(epoll, listeners[i]);
  struct epoll_event events[64];
  for (;;) {
    int ready = epoll_wait(epoll, events, 64, -1);
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd == listeners[BENCH_TCP] || fd == listeners[BENCH_IPC])
        accept_one(epoll, fd);
      else
        echo(fd);
    }
  }
}

pid_t floor_start(struct bench_servers *servers) {
  int listeners[BENCH_TRANSPORT_COUNT];
  size_t size = sizeof(servers->echo[0]);
  listeners[BENCH_TCP] = listen_tcp(servers->echo[BENCH_TCP], size);
  listeners[BENCH_IPC] = listen_local(servers->dir, servers->echo[BENCH_IPC], size);
  pid_t pid = process_fork();
  if (pid == 0)
    serve(listeners);
  for (int i = 0; i < BENCH_TRANSPORT_COUNT; i++)
    close(listeners[i]);
  return pid;
}

struct echo_dialog {
  uint8_t message[FLOOR_MESSAGE_BYTES];
  uint32_t number;
};

static void open_echo(void *dialog, int fd, enum bench_transport transport, enum bench_op op) {
  (void)fd, (void)transport, (void)op;
  struct echo_dialog *echo_dialog = dialog;
  memset(echo_dialog->message, 'x', sizeof(echo_dialog->message));
}

static const uint8_t *next_echo(void *dialog, size_t *len) {
  struct echo_dialog *echo_dialog = dialog;
  echo_dialog->number++;
  memcpy(echo_dialog->message, &echo_dialog->number, sizeof(echo_dialog->number));
  *len = sizeof(echo_dialog->message);
  return echo_dialog->message;
}

static ssize_t check_echo(void *dialog, const uint8_t *data, size_t len) {
  struct echo_dialog *echo_dialog = dialog;
  if (len < FLOOR_MESSAGE_BYTES)
    return 0;
  return memcmp(data, echo_dialog->message, FLOOR_MESSAGE_BYTES) == 0 ? FLOOR_MESSAGE_BYTES : -1;
}

const struct loadgen_protocol floor_protocol = {
    .name = "echo",
    .dialog_bytes = sizeof(struct echo_dialog),
    .open = open_echo,
    .next = next_echo,
    .check = check_echo,
};
