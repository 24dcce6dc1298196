/* The report of object_info and object_list about an object.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_OPERATIONS_REPORT_H
#define HF_ENGINE_OPERATIONS_REPORT_H

#include "server/engine/core.h"

/* As the call's user may see it. Its values are the caller's. O(1). */
struct reply_object report_object(const struct call *call, struct object *object);

#endif
