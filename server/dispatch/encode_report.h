/* The fields of what a reply says of objects, of locks and of the server.
 *
 * layer   dispatch; private to encode*.c
 */
#ifndef HF_DISPATCH_ENCODE_REPORT_H
#define HF_DISPATCH_ENCODE_REPORT_H

#include "server/dispatch/encode_writer.h"

/* Of a struct reply_object. */
void encode_object(struct writer *writer, const void *object);
/* A page of them, of a struct reply. */
void encode_objects(struct writer *writer, const void *reply);
/* Of a struct reply_server. */
void encode_server(struct writer *writer, const void *server);
/* A page of locks, of a struct reply. */
void encode_locks(struct writer *writer, const void *reply);

#endif
