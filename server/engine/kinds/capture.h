/* Captures, before an operation of a transaction, the part of its object that it changes; see undo.h.
 *
 * layer   engine
 * Functions of rows: see kind.h.
 */
#ifndef HF_ENGINE_KINDS_CAPTURE_H
#define HF_ENGINE_KINDS_CAPTURE_H

#include "server/engine/undo.h"

/* dict_undo.c */
hf_reason capture_entry(struct undo_entry *entry, struct call *call);
/* list_undo.c */
hf_reason capture_item(struct undo_entry *entry, struct call *call);
/* queue_undo.c: NOT_NESTABLE a put with a priority or a delay */
hf_reason capture_put_or_get(struct undo_entry *entry, struct call *call);
/* cell.c: of a cell the element, or its lock */
hf_reason capture_cell(struct undo_entry *entry, struct call *call);
/* lock.c: the object's lock, or the one a condition was given */
hf_reason capture_lock(struct undo_entry *entry, struct call *call);

#endif
