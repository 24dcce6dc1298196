#include "tests/support/random_users.h"

#include "server/engine/operation.h"

#define TEXT_BYTES(text) \
  { (const uint8_t *)(text), sizeof(text) - 1 }
#define READ_WRITE (ACCESS_READ | ACCESS_WRITE)
#define ALL (ACCESS_READ | ACCESS_WRITE | ACCESS_CREATE)

static const struct user_right all[] = {{TEXT_BYTES(""), ALL}};
static const struct user_right read[] = {{TEXT_BYTES(""), ACCESS_READ}};
static const struct user_right some[] = {{TEXT_BYTES(""), READ_WRITE},
                                         {TEXT_BYTES("l"), ALL},
                                         {TEXT_BYTES("lock"), ACCESS_READ},
                                         {TEXT_BYTES("d"), ACCESS_NOTHING},
                                         {TEXT_BYTES("dict"), ACCESS_WRITE}};

#define RIGHTS(rows) .rights = (rows), .rights_count = sizeof(rows) / sizeof *(rows)

static const struct user_settings eves[] = {
    {.name = TEXT_BYTES("eve"), RIGHTS(all)},
    {.name = TEXT_BYTES("eve"), RIGHTS(some), .is_admin = true},
};

static const struct user_settings webs[] = {
    {.name = TEXT_BYTES("web"), RIGHTS(all), .limits = {.objects = 4}},
    {.name = TEXT_BYTES("web"), RIGHTS(some)},
    {.name = TEXT_BYTES("web"), RIGHTS(read)},
    {.name = TEXT_BYTES("web"),
     RIGHTS(all),
     .limits = {.memory_bytes = 50000, .objects = 20, .sessions = 3, .connections = 1}},
    {.name = TEXT_BYTES("web"), RIGHTS(all), .limits = {.connections = 1, .waiting = 4}},
    {.name = TEXT_BYTES("web"), RIGHTS(all), .limits = {.requests_per_s = 50, .connections = 1}},
    {.name = TEXT_BYTES("web")},
};
#define WEBS (sizeof webs / sizeof *webs)

const struct users_settings *random_users(uint64_t variant) {
  static struct user_settings users[2];
  static struct users_settings settings = {users, 0};
  uint64_t web = variant % (WEBS + 1), eve = variant / (WEBS + 1) % 3;
  settings.count = 0;
  if (web < WEBS) {
    users[settings.count++] = webs[web];
  }
  if (eve < 2) {
    users[settings.count++] = eves[eve];
  }
  return &settings;
}

const char *random_users_name(uint64_t connection) {
  static const char *const names[] = {"", "web", "web", "eve"};
  return names[connection % 4];
}
