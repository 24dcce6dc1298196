/* Values: hf_value as the user sees it, and the generated message it travels as.
 *
 * layer   client, call
 * memory  A value that came back owns one block: a head, then its items, then its bytes. Its head
 *         names the connection only if there are references in it; that keeps the struct of the
 *         connection, not the connection, alive.
 */
#ifndef HF_CLIENT_VALUES_H
#define HF_CLIENT_VALUES_H

#include <holdfast/holdfast.h>

#include "proto/base/arena.h"
#include "proto/holdfast.pb-c.h"
#include "proto/value.h"

/* Fills *message, which borrows from *value; tuples are built in arena.
 * HF_REASON_NONE | BAD_VALUE TOO_DEEP NO_MEMORY */
hf_reason value_to_wire(const hf_value *value, struct arena *arena, Holdfast__Value *message);

/* Copies what came in a reply. References in it count as held by the connection's session.
 * message may be NULL: none. HF_REASON_NONE | BAD_REPLY NO_MEMORY */
hf_reason value_from_wire(hf_conn *conn, const Holdfast__Value *message, hf_value *value);

/* A number as the server's values have it, so that both sides compare by one function; absent: no
 * number. */
struct value value_number(const hf_value *value);

/* Frees what value_from_wire made, whose reply is given back as a whole. */
void value_forget(hf_value *value);

/* Takes the hold of a reference that came back; the value becomes none. false: the value holds
 * nothing itself. out inherited: the hold belongs to the process this one was forked from. */
bool value_take_reference(hf_conn *conn, hf_value *value, bool *inherited);
/* Whether it came back over another connection. */
bool value_is_of_other(const hf_conn *conn, const hf_value *value);

#endif
