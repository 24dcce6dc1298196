/* Backups whose process can't be started. */
#include "server/journal/backups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define ANSWER_US 1000
#define ANSWERS_MAX 5000

struct answers {
  pthread_mutex_t mutex;
  int count;
  hf_reason reason; /* of the last one */
};

static void take_answer(void *ctx, const struct backup_asked *asked) {
  struct answers *answers = ctx;
  pthread_mutex_lock(&answers->mutex);
  answers->reason = asked->reply->reason;
  answers->count++;
  pthread_mutex_unlock(&answers->mutex);
  reply_release(asked->reply);
}

static hf_reason ask(struct backups *backups, struct answers *answers, uint64_t backup) {
  struct reply *reply = reply_new(1);
  assert_non_null(reply);
  reply->shape = REPLY_BACKUP;
  reply->backup = backup;
  int before = answers->count, count = before;
  backups_ask(backups, &(struct backup_asked){.connection = 1, .reply = reply});
  for (int i = 0; i < ANSWERS_MAX && count == before; i++) {
    usleep(ANSWER_US);
    pthread_mutex_lock(&answers->mutex);
    count = answers->count;
    pthread_mutex_unlock(&answers->mutex);
  }
  assert_int_equal(count, before + 1);
  return answers->reason;
}

static void test_backups_one_that_could_not_begin_stays_failed(void **state) {
  (void)state;
  struct answers answers = {.mutex = PTHREAD_MUTEX_INITIALIZER};
  struct backups backups;
  assert_true(backups_start(&backups, "/nowhere/holdfastd", "/tmp", take_answer, &answers));
  assert_int_equal(ask(&backups, &answers, 7), HF_REASON_BACKUP_FAILED);
  assert_int_equal(ask(&backups, &answers, 7), HF_REASON_BACKUP_FAILED);
  assert_int_equal(ask(&backups, &answers, 8), HF_REASON_BACKUP_FAILED);
  backups_stop(&backups);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_backups_one_that_could_not_begin_stays_failed),
  };
  return cmocka_run_group_tests_name("unit.backups", tests, NULL, NULL);
}
