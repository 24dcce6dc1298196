#include "client/src/transport/credentials.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/src/transport/tls_guard.h"

#define FILES 4

/* A file as it was; all zero: none, or it could not be looked at. */
struct stamp {
  dev_t dev;
  ino_t ino;
  off_t size;
  struct timespec changed;
};

struct credentials {
  pthread_mutex_t mutex; /* of the members after `files` */
  char *paths[FILES];    /* key, ca, certificate, private key */
  struct credentials_files files;
  struct stamp stamps[FILES];
  char user[KEY_USER_BYTES_MAX + 1];
  struct tls_context *context;
};

static void look(const struct credentials *credentials, struct stamp stamps[FILES]) {
  memset(stamps, 0, FILES * sizeof *stamps);
  for (size_t i = 0; i < FILES; i++) {
    struct stat file;
    if (credentials->paths[i] != NULL && stat(credentials->paths[i], &file) == 0) {
      stamps[i].dev = file.st_dev;
      stamps[i].ino = file.st_ino;
      stamps[i].size = file.st_size;
      stamps[i].changed = file.st_mtim;
    }
  }
}

/* Looks first: a file that changes while it is read is read again. */
static bool read_files(struct credentials *credentials, char error[TLS_ERROR_BYTES]) {
  const struct credentials_files *files = &credentials->files;
  struct stamp stamps[FILES];
  struct keys keys = {0};
  look(credentials, stamps);
  if (files->key != NULL && !keys_read(&keys, files->key, error)) {
    return false;
  }
  struct tls_client_settings settings = {.key = keys.items,
                                         .ca = files->ca,
                                         .certificate = files->certificate,
                                         .private_key = files->private_key};
  struct tls_context *context = tls_context_new_client(&settings, error);
  if (context != NULL) {
    snprintf(credentials->user, sizeof credentials->user, "%s",
             keys.count > 0 ? keys.items[0].user : "");
    memcpy(credentials->stamps, stamps, sizeof stamps);
    tls_context_release(credentials->context);
    credentials->context = context;
  }
  keys_deinit(&keys);
  return context != NULL;
}

static bool copy_paths(struct credentials *credentials, const struct credentials_files *files) {
  const char *const paths[FILES] = {files->key, files->ca, files->certificate, files->private_key};
  for (size_t i = 0; i < FILES; i++) {
    credentials->paths[i] = paths[i] != NULL ? strdup(paths[i]) : NULL;
    if (paths[i] != NULL && credentials->paths[i] == NULL) {
      return false;
    }
  }
  credentials->files = (struct credentials_files){.key = credentials->paths[0],
                                                  .ca = credentials->paths[1],
                                                  .certificate = credentials->paths[2],
                                                  .private_key = credentials->paths[3]};
  return true;
}

struct credentials *credentials_new(const struct credentials_files *files,
                                    char error[TLS_ERROR_BYTES]) {
  struct credentials *credentials = calloc(1, sizeof *credentials);
  snprintf(error, TLS_ERROR_BYTES, "out of memory");
  if (credentials == NULL) {
    return NULL;
  }
  pthread_mutex_init(&credentials->mutex, NULL);
  bool is_made = copy_paths(credentials, files);
  if (is_made) {
    tls_guard_enter();
    is_made = read_files(credentials, error);
    tls_guard_leave();
  }
  if (!is_made) {
    credentials_free(credentials);
    return NULL;
  }
  return credentials;
}

void credentials_free(struct credentials *credentials) {
  if (credentials == NULL) {
    return;
  }
  tls_guard_enter();
  tls_context_release(credentials->context);
  tls_guard_leave();
  for (size_t i = 0; i < FILES; i++) {
    free(credentials->paths[i]);
  }
  pthread_mutex_destroy(&credentials->mutex);
  free(credentials);
}

const struct credentials_files *credentials_files(const struct credentials *credentials) {
  return &credentials->files;
}

struct tls_context *credentials_context(struct credentials *credentials,
                                        char user[KEY_USER_BYTES_MAX + 1]) {
  struct stamp stamps[FILES];
  char error[TLS_ERROR_BYTES];
  pthread_mutex_lock(&credentials->mutex);
  look(credentials, stamps);
  if (memcmp(stamps, credentials->stamps, sizeof stamps) != 0) {
    (void)read_files(credentials, error);
  }
  memcpy(user, credentials->user, sizeof credentials->user);
  struct tls_context *context = tls_context_share(credentials->context);
  pthread_mutex_unlock(&credentials->mutex);
  return context;
}
