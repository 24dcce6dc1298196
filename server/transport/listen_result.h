/* How listening on an address ended.
 *
 * layer   transport
 */
#ifndef HF_TRANSPORT_LISTEN_RESULT_H
#define HF_TRANSPORT_LISTEN_RESULT_H

#define LISTEN_URL_BYTES_MAX 160

enum listen_result {
  LISTEN_OK,
  LISTEN_BAD_ADDRESS,   /* none of these addresses, or an unknown host */
  LISTEN_NO_TLS,        /* tls+tcp: there are neither keys nor a certificate */
  LISTEN_IN_USE,        /* another server answers there */
  LISTEN_NOT_ALLOWED,   /* the system refuses: permissions, a privileged port */
  LISTEN_NOT_A_SOCKET,  /* ipc: something else has that path */
  LISTEN_NO_DIRECTORY,  /* ipc: the directory does not exist */
  LISTEN_PATH_TOO_LONG, /* ipc: no socket can have that path; logged */
  LISTEN_LOCKED,        /* ipc: another process keeps the directory locked; logged */
  LISTEN_FAILED,        /* anything else; logged */
};

#endif
