/* Which engine this is: a number that is raised whenever the same commands may lead to another state, to other
 * replies, or to another count of memory (sizes of structs are in that). Journals and snapshots have it.
 *
 *   commands of revision            are replayed
 *   ENGINE_REVISION                 to the same state, which counts for the same memory
 *   from ENGINE_REVISION_OLDEST on  to the same state; what it counts for may be different
 *   older, or newer                 never: the state may be different
 *
 * Revision 2 lets go of things in another order when a session ends, and takes several commands to give a large
 * list with references back. Revision 3 gives a volatile cell's lock back the record of its owner's death when the
 * transaction that took it fails, and calls a missing right "create or delete". Revision 4:
 *
 *   cells      a failed transaction loses nothing that clients stored meanwhile; all levels of a lock that changed
 *              over are given back; forked children inherit mapped cells
 *   barriers   rounds have numbers, and what ends an earlier round's action is refused
 *   waiters    nothing that waited for a lent object overtakes others, or waits for what is there
 *   conditions waiters under a lock that is deleted are answered; a lock is taken back though its condition is
 *              deleted
 *   queues     a one-way put of a part fails; a put with a priority is refused before its transaction begins; a kick
 *              that may not wait is answered with a part
 *   rights     references in list_concat need read and write
 *   references no more than 16,384 are retained or released at a time
 *   leftovers  sessions forget what they had of deleted objects; refused opens leave no object
 *
 * A journal of an older revision in which a change of state shows is refused at the batch where it does: batches have
 * a digest of the state.
 *
 * layer   engine
 * source  server/decisions, "Commands are what is made durable"
 */
#ifndef HF_ENGINE_REVISION_H
#define HF_ENGINE_REVISION_H

#ifndef ENGINE_REVISION /* but in the test of upgrades */
#define ENGINE_REVISION 4
#define ENGINE_REVISION_OLDEST 1
#endif

#endif
