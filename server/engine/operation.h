/* An operation as the engine sees it: what a row of dispatch/operations.h says.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_OPERATION_H
#define HF_ENGINE_OPERATION_H

#include "proto/status.h"
#include "server/engine/user_settings.h"

#include <stdint.h>

struct call;

/* How an operation may be used; the bits of struct operation's flags. */
enum operation_flag {
  OPERATION_WAITS = 1,   /* may park; has a timeout */
  OPERATION_STORES = 2,  /* refused while memory is full */
  OPERATION_ONE_WAY = 4, /* makes sense without a reply */
  OPERATION_NEEDS_SESSION = 8,
  OPERATION_OPENS = 16, /* OpenSession, ResumeSession: served to a connection whose session ended */
  OPERATION_ANY_TIMEOUT = 32,     /* a negative timeout is as good as none at all */
  OPERATION_SELECTABLE = 64,      /* may be in a wait_any */
  OPERATION_IN_TRANSACTION = 128, /* may be in a Transaction: see undo.c */
  OPERATION_SILENT = 256,         /* has no reply */
  OPERATION_FREES = 512,          /* gives something back: also while the journal's disk is full */
};

/* What becomes of a request that comes again with the same number. */
enum operation_repeat {
  REPEAT_KEPT,  /* gets the reply that was kept */
  REPEAT_AGAIN, /* runs again, except for replies with references, and replies to waits */
};

/* What changes when it succeeds: the most of it. */
enum operation_effect {
  EFFECT_NONE,
  EFFECT_SESSION, /* the caller's own session */
  EFFECT_OBJECT,  /* objects, and what hangs on them */
};

/* Of operations on any object: they leave its content alone. */
#define OPERATION_ANY_KIND (~0u)

/* One row of dispatch/operations.h. */
struct operation {
  uint32_t arm;   /* of the request's oneof: the operation's stable id */
  uint32_t kinds; /* bit (1 << kind) for each kind of object it works on; 0: on no object */
  uint32_t flags;
  uint8_t access; /* bits of enum operation_access */
  uint8_t repeat; /* enum operation_repeat */
  uint8_t effect; /* enum operation_effect */
  hf_reason (*handle)(struct call *call);
};

#endif
