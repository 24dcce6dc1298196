/* Why a server could not be dialled.
 *
 * layer   client, transport
 */
#ifndef HF_CLIENT_DIAL_ERROR_H
#define HF_CLIENT_DIAL_ERROR_H

/* Beside errno's numbers. */
enum dial_error {
  DIAL_UNKNOWN_HOST = 1 << 16,
  DIAL_RESOLVER_SILENT,
  DIAL_RESOLVER_FAILS,
  DIAL_PUT_OFF, /* the server was there, and wants another attempt */
};
/* For people; of an errno too. Static, or the C library's. */
const char *dial_error_text(int error);

#endif
