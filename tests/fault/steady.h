/* A client whose calls all succeed, whatever becomes of the server meanwhile: its grace and its calls'
 * time are longer than the test. So at the end everything that it was answered is there, exactly once.
 */
#ifndef HF_TESTS_FAULT_STEADY_H
#define HF_TESTS_FAULT_STEADY_H

#include <holdfast/holdfast.h>
#include <stdatomic.h>
#include <stdint.h>

#define STEADY_CLIENTS_MAX 16
#define STEADY_ITEMS_EACH (1u << 16)
#define STEADY_ACCOUNTS 8

enum steady_operation {
  STEADY_ADD, /* to a counter in a dict */
  STEADY_APPEND,
  STEADY_CELL, /* adds to a value */
  STEADY_ONE_WAY,
  STEADY_TRANSFER, /* a transaction */
  STEADY_PUT,
  STEADY_GET,
  STEADY_RESERVE, /* and acknowledge */
  STEADY_LOCK,
  STEADY_OPERATIONS
};

/* In memory of all processes. */
struct steady_board {
  uint64_t seed;
  atomic_bool stop;
  atomic_ullong done[STEADY_CLIENTS_MAX][STEADY_OPERATIONS]; /* acknowledged */
  atomic_ullong longest_ms;                                  /* of all calls */
  atomic_int in_shared_memory;                               /* clients, at the end */
  atomic_int owner; /* of the lock: a client's number from 1; 0: nobody */
  atomic_ullong token;
  atomic_uchar taken[STEADY_CLIENTS_MAX * STEADY_ITEMS_EACH]; /* how often each item came out */
};

/* With a seed, freed with the process. */
struct steady_board *steady_board_new(uint64_t seed);
/* A crowd_worker; arg is the board, idx the client, from 0. */
int steady_run(const char *url, int idx, void *arg);
/* In the test, when all have ended: fails unless the server has exactly what is on the board. */
void steady_verify(struct steady_board *board, const char *url, int clients_count);

#endif
