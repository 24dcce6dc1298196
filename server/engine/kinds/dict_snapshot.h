/* Dicts and namespaces in a snapshot: functions of the rows, see kind.h.
 *
 * layer   engine
 */
#ifndef HF_ENGINE_KINDS_DICT_SNAPSHOT_H
#define HF_ENGINE_KINDS_DICT_SNAPSHOT_H

#include <stdbool.h>

struct object;
struct restoring;
struct snapshot_out;
struct snapshot_record;

void dict_content_snapshot(const struct object *object, struct snapshot_out *out);
bool dict_content_restore(struct restoring *restoring, struct object *object,
                          const struct snapshot_record *record);

#endif
