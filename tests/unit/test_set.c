/* Limits of connections: of all, of one address, and what is kept for ipc. */
#include "server/connection/set.h"
#include "server/transport/address.h"
#include "server/users/users.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PLACES 110

static struct connection_set set;
static struct connection *const somebody = (struct connection *)&set; /* never read */

static nng_sockaddr v4(const char *text) {
  nng_sockaddr address = {.s_in = {.sa_family = NNG_AF_INET}};
  assert_int_equal(inet_pton(AF_INET, text, &address.s_in.sa_addr), 1);
  return address;
}

static nng_sockaddr v6(const char *text) {
  nng_sockaddr address = {.s_in6 = {.sa_family = NNG_AF_INET6}};
  assert_int_equal(inet_pton(AF_INET6, text, address.s_in6.sa_addr), 1);
  return address;
}

static uint64_t address(nng_sockaddr of) {
  return address_of(&of);
}

/* How many more of that address are let in. */
static int join_all(uint64_t of, uint64_t *last_id) {
  int count = 0;
  while (set_join(&set, somebody, of, true, last_id) == NULL) {
    count++;
    assert_true(count <= PLACES);
  }
  return count;
}

static int set_up(void **state) {
  (void)state;
  struct users *users = users_new(&(struct users_config){.is_open = true});
  assert_non_null(users);
  set_init(&set, PLACES, users);
  users_release(users);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  set_deinit(&set);
  return 0;
}

static void test_set_one_address_has_half_of_the_places(void **state) {
  uint64_t id, one = address(v4("10.0.0.1")), other = address(v4("10.0.0.2"));
  (void)state;
  assert_int_equal(join_all(one, &id), PLACES / 2);
  assert_string_equal(set_join(&set, somebody, one, true, &id),
                      "too many connections of its address");
  assert_int_equal(join_all(other, &id), PLACES / 2 - PLACES / 11);
  assert_string_equal(set_join(&set, somebody, address(v4("10.0.0.3")), true, &id),
                      "too many connections");
  assert_int_equal(join_all(ADDRESS_IPC, &id), PLACES / 11); /* kept for it */
}

static void test_set_room_that_is_left_is_its_address_s_again(void **state) {
  uint64_t id, one = address(v4("10.0.0.1"));
  (void)state;
  assert_int_equal(join_all(one, &id), PLACES / 2);
  set_leave(&set, id, one, true);
  assert_int_equal(join_all(one, &id), 1);
}

static void test_set_addresses_that_are_one_peer_s_count_as_one(void **state) {
  (void)state;
  assert_int_equal(address(v4("127.0.0.1")), ADDRESS_LOOPBACK);
  assert_int_equal(address(v4("127.9.9.9")), ADDRESS_LOOPBACK);
  assert_int_equal(address(v6("::1")), ADDRESS_LOOPBACK);
  assert_int_equal(address(v6("::ffff:127.0.0.1")), ADDRESS_LOOPBACK);
  assert_int_equal(address(v6("::ffff:10.0.0.1")), address(v4("10.0.0.1")));
  assert_int_equal(address(v6("2001:db8:1:2::1")), address(v6("2001:db8:1:2:ffff::9")));
  assert_int_not_equal(address(v6("2001:db8:1:2::1")), address(v6("2001:db8:1:3::1")));
  assert_int_not_equal(address(v4("10.0.0.1")), address(v4("10.0.0.2")));
  assert_int_not_equal(address(v4("0.0.0.1")), ADDRESS_IPC);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_set_one_address_has_half_of_the_places, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(test_set_room_that_is_left_is_its_address_s_again, set_up,
                                      tear_down),
      cmocka_unit_test(test_set_addresses_that_are_one_peer_s_count_as_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
