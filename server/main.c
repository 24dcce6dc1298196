/* holdfastd: command line in, exit status out. */
#include "server/memory/heap.h"
#include "server/options.h"
#include "server/process.h"
#include "server/server.h"

#include <stdio.h>

int main(int argc, char **argv) {
  struct options options;
  process_fill_descriptors();
  if (!options_parse(&options, argc, argv)) {
    fprintf(stderr, "holdfastd: %s\nSee holdfastd --help.\n", options.error);
    return OPTIONS_EXIT_USAGE;
  }
  heap_start();
  return server_run(&options);
}
