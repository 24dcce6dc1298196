#include "server/journal/record.h"

#include <stddef.h>

static const uint8_t kind_of_command[] = {
    [COMMAND_REQUEST] = RECORD_REQUEST,
    [COMMAND_TICK] = RECORD_TICK,
    [COMMAND_CONNECT] = RECORD_CONNECT,
    [COMMAND_DISCONNECT] = RECORD_DISCONNECT,
    [COMMAND_PROCESS_ENDED] = RECORD_PROCESS_ENDED,
    [COMMAND_JOB_DONE] = RECORD_JOB_DONE,
    [COMMAND_FREED] = RECORD_FREED,
    [COMMAND_CROWDED] = RECORD_CROWDED,
    [COMMAND_DRAIN] = RECORD_DRAIN,
    [COMMAND_USERS] = RECORD_USERS,
    [COMMAND_RESTART] = RECORD_RESTART,
    [COMMAND_DISK] = RECORD_DISK,
    [COMMAND_HEARD] = RECORD_HEARD,
};

uint8_t record_kind_of(enum command_kind command) {
  return kind_of_command[command];
}

bool record_find_command(uint64_t kind, enum command_kind *command) {
  for (size_t i = 0; i < sizeof kind_of_command; i++) {
    if (kind_of_command[i] == kind) {
      *command = (enum command_kind)i;
      return true;
    }
  }
  return false;
}
