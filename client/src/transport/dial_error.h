/* Errors of dialling a server.
 *
 * layer   client, transport
 */
#ifndef HF_CLIENT_DIAL_ERROR_H
#define HF_CLIENT_DIAL_ERROR_H

/* Outside the range of errno numbers. */
enum dial_error {
  DIAL_UNKNOWN_HOST = 1 << 16,
  DIAL_RESOLVER_SILENT,
  DIAL_RESOLVER_FAILS,
  DIAL_PUT_OFF, /* the server answered, and asks for another attempt */
};
/* A sentence, of an errno too. Static, or the C library's. */
const char *dial_error_text(int error);

#endif
