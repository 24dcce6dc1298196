#include "client/cli/backup.h"

#include "client/cli/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNFINISHED ".new"

struct fetched {
  int fd;
  uint64_t bytes;
  int error; /* errno of a write; 0: none */
};

static bool write_part(void *ctx, const void *data, size_t len) {
  struct fetched *fetched = ctx;
  const char *next = data;
  fetched->bytes += len;
  while (len > 0) {
    ssize_t written = write(fetched->fd, next, len);
    if (written < 0 && errno != EINTR) {
      fetched->error = errno;
      return false;
    }
    next += written > 0 ? written : 0;
    len -= written > 0 ? (size_t)written : 0;
  }
  return true;
}

static int fail(const struct cli *cli, const char *path, int error) {
  char message[PATH_MAX + 128];
  snprintf(message, sizeof message, "%s: %s; there is no backup", path, strerror(error));
  return cli_fail_with(cli, HF_ABORTED, "BACKUP_FAILED", message);
}

/* The directory's entry. */
static bool sync_parent(const char *path) {
  char parent[PATH_MAX];
  snprintf(parent, sizeof parent, "%s", path);
  char *slash = strrchr(parent, '/');
  if (slash != NULL)
    slash[slash == parent] = '\0';
  int fd = open(slash != NULL ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool is_synced = fd >= 0 && fsync(fd) == 0;
  if (fd >= 0)
    close(fd);
  return is_synced;
}

/* One that was left there has perhaps another mode, is a link, or is read by others. -1: errno. */
static int create(const char *path) {
  if (unlink(path) != 0 && errno != ENOENT)
    return -1;
  return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

static int fetch(struct cli *cli, const char *path, const char *unfinished,
                 struct fetched *fetched) {
  if (hf_server_backup(cli->conn, write_part, fetched) != HF_OK)
    return fetched->error != 0 ? fail(cli, path, fetched->error) : cli_fail(cli);
  if (fsync(fetched->fd) != 0 || rename(unfinished, path) != 0 || !sync_parent(path))
    return fail(cli, path, errno);
  return CLI_YES;
}

int backup_fetch(struct cli *cli, const char *path) {
  char unfinished[PATH_MAX];
  int len = snprintf(unfinished, sizeof unfinished, "%s" UNFINISHED, path);
  if (len < 0 || (size_t)len >= sizeof unfinished)
    return fail(cli, path, ENAMETOOLONG);
  struct fetched fetched = {.fd = create(unfinished)};
  if (fetched.fd < 0)
    return fail(cli, path, errno);
  int code = fetch(cli, path, unfinished, &fetched);
  close(fetched.fd);
  if (code != CLI_YES)
    (void)unlink(unfinished);
  return code == CLI_YES ? output_count(cli, "bytes", fetched.bytes) : code;
}
