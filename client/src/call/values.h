/* Values: hf_value, and its generated message.
 *
 * layer   client, call
 * memory  A value that a call returned owns one block: a head, its items, its bytes. The head names
 *         the connection only if the value has references, which keeps the connection's struct
 *         allocated without keeping the connection open.
 */
#ifndef HF_CLIENT_VALUES_H
#define HF_CLIENT_VALUES_H

#include <holdfast/holdfast.h>

#include "proto/base/arena.h"
#include "proto/holdfast.pb-c.h"
#include "proto/value.h"

/* Fills *message, which borrows from *value; tuples are allocated in arena. HF_REASON_NONE |
 * BAD_VALUE TOO_DEEP NO_MEMORY */
hf_reason value_to_wire(const hf_value *value, struct arena *arena, Holdfast__Value *message);

/* Copies a value from a reply; the connection's session owns the references in it. A NULL message
 * is none. HF_REASON_NONE | BAD_REPLY NO_MEMORY */
hf_reason value_from_wire(hf_conn *conn, const Holdfast__Value *message, hf_value *value);

/* A number as a struct value, so that client and server compare by one function; absent: not a
 * number. */
struct value value_number(const hf_value *value);

/* Frees a value of value_from_wire whose reply is dropped with all its references. */
void value_forget(hf_value *value);

/* Takes the session's reference that a returned value has; the value becomes none. false, unchanged: the
 * value has no reference of its own, or that of the parent of this forked process. */
bool value_take_reference(hf_conn *conn, hf_value *value);
/* Whether another connection returned the value. */
bool value_is_of_other(const hf_conn *conn, const hf_value *value);

#endif
