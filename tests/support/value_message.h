/* A value as protobuf-c's struct: the referee for what the server writes itself. */
#ifndef HF_TESTS_SUPPORT_VALUE_MESSAGE_H
#define HF_TESTS_SUPPORT_VALUE_MESSAGE_H

#include "proto/base/arena.h"
#include "proto/value.h"

/* Fills *message (initialized here) from arena; text and bytes are borrowed from *value. false: the
 * arena is exhausted. */
bool value_to_message(const struct value *value, struct arena *arena,
                      struct Holdfast__Value *message);

#endif
