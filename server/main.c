/* holdfastd: command line in, exit status out. */
#include "server/credentials.h"
#include "server/journal/compaction.h"
#include "server/memory/heap.h"
#include "server/process.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(const char *error) {
  fprintf(stderr, "holdfastd: %s\nSee holdfastd --help.\n", error);
  return CONFIG_EXIT_USAGE;
}

/* --check-config */
static int check(const struct config *config) {
  const struct settings *settings = config_settings(config);
  struct credentials credentials;
  char error[CONFIG_ERROR_BYTES];
  if (!credentials_load(&credentials, settings, settings->insecure_no_auth, error)) {
    return refuse(error);
  }
  credentials_warn(&credentials, settings);
  credentials_release(&credentials);
  return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
  process_fill_descriptors();
  if (argc == 4 && strcmp(argv[1], "--compact") == 0) { /* the server's own child */
    return compaction_main(argv[2], strtoull(argv[3], NULL, 10));
  }
  struct config *config = config_load(argc, argv);
  int status = EXIT_SUCCESS;
  if (config == NULL || config_error(config) != NULL) {
    status = refuse(config != NULL ? config_error(config) : "out of memory");
  } else if (config_task(config) == CONFIG_CHECK) {
    status = check(config);
  } else if (config_task(config) == CONFIG_PRINT) {
    config_print(config, stdout);
  } else {
    heap_start();
    return server_run(config, argc, argv);
  }
  config_free(config);
  return status;
}
