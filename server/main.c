/* holdfastd: command line in, exit status out. */
#include "server/credentials.h"
#include "server/journal/backup.h"
#include "server/journal/compaction.h"
#include "server/journal/data_directory.h"
#include "server/memory/heap.h"
#include "server/process.h"
#include "server/server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(const char *error) {
  fprintf(stderr, "holdfastd: %s\nSee holdfastd --help.\n", error);
  return CONFIG_EXIT_USAGE;
}

/* --check-config */
static int check(const struct config *config) {
  const struct settings *settings = config_settings(config);
  const char *directory = settings->data.directory;
  struct credentials credentials;
  char error[CONFIG_ERROR_BYTES], unusable[DATA_ERROR_BYTES];
  if (!credentials_load(&credentials, settings, settings->insecure_no_auth, error)) {
    return refuse(error);
  }
  credentials_warn(&credentials, settings);
  credentials_release(&credentials);
  return *directory == '\0' || data_directory_check(directory, unusable) ? EXIT_SUCCESS
                                                                         : refuse(unusable);
}

/* --backup, --restore: of a directory, beside a server or without one. */
static int copy_data(const struct config *config) {
  const char *directory = config_settings(config)->data.directory;
  const char *file = config_task_file(config);
  bool backs_up = config_task(config) == CONFIG_BACKUP;
  struct backup_summary summary;
  char error[BACKUP_ERROR_BYTES];
  if (*directory == '\0') {
    return refuse(backs_up ? "--backup needs --data DIR beside it: what is to be written"
                           : "--restore needs --data DIR beside it: where it is to be");
  }
  umask(0077);
  bool is_done = backs_up ? backup_write_file(directory, file, &summary, error)
                          : backup_restore(file, directory, &summary, error);
  if (!is_done) {
    fprintf(stderr, "holdfastd: %s: %s\n", backs_up ? "no backup" : "nothing is restored", error);
    return EXIT_FAILURE;
  }
  printf("%s batches=%" PRIu64 " bytes=%" PRIu64 "\n", backs_up ? "backup" : "restored",
         summary.index, summary.bytes);
  return EXIT_SUCCESS;
}

/* See durability.c. */
static void run_out_while_compacting(void) {
  fputs("there is not enough memory\n", stderr); /* the server logs it */
  _exit(EXIT_FAILURE);
}

int main(int argc, char **argv) {
  process_fill_descriptors();
  if (argc == 4 && strcmp(argv[1], "--compact") == 0) { /* the server's own child */
    heap_guard(run_out_while_compacting);
    return compaction_main(argv[2], strtoull(argv[3], NULL, 10));
  }
  if (argc == 3 && strcmp(argv[1], "--backup-stream") == 0) { /* the server's own child, too */
    return backup_stream_main(argv[2]);
  }
  struct config *config = config_load(argc, argv);
  int status = EXIT_SUCCESS;
  if (config == NULL || config_error(config) != NULL) {
    status = refuse(config != NULL ? config_error(config) : "out of memory");
  } else if (config_task(config) == CONFIG_CHECK) {
    status = check(config);
  } else if (config_task(config) == CONFIG_PRINT) {
    config_print(config, stdout);
  } else if (config_task(config) != CONFIG_RUN) {
    status = copy_data(config);
  } else {
    heap_start();
    return server_run(config, argc, argv);
  }
  config_free(config);
  return status;
}
