/* Exchange by requests: a compare-and-set loop, since another thread may store in between.
 *
 * layer   client, objects
 */
#ifndef HF_CLIENT_CELL_EXCHANGE_H
#define HF_CLIENT_CELL_EXCHANGE_H

#include "client/src/connection/handle.h"

/* Where the value before is stored. */
struct exchanged {
  hf_value *value;
  void *number; /* in place of value, of the C type that `access` names */
  int access;
};

hf_status cell_exchange(hf_cell *cell, hf_value value, struct exchanged to);

#endif
