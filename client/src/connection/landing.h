/* Landing: the bytes of a long reply go from the link straight to where the call wants them. What of
 * them is in the input already is copied.
 *
 *   frame:   prefix | id | sequence | head of the value | bytes ...       ... to the end of the frame
 *                                                       '--> result.first
 *
 * layer   client, connection
 * threads The poll leader's, mutex held: the call may be given up between two steps; then the rest of
 *         its reply is dropped.
 */
#ifndef HF_CLIENT_LANDING_H
#define HF_CLIENT_LANDING_H

#include "client/src/connection/conn.h"

/* `frame` is the first part of a frame of frame_len bytes. Whether its bytes are copied and the rest
 * of it lands: it is long, its call has memory for it, and nothing but the bytes is missing. */
bool landing_begin(hf_conn *conn, struct bytes frame, size_t frame_len);
/* Receives what is there; with the last byte the call completes. 0 | EAGAIN nothing was there | an
 * errno */
int landing_receive(hf_conn *conn);
/* How many bytes to read at most into so much room of the input. */
size_t landing_room(const hf_conn *conn, size_t room);

#endif
