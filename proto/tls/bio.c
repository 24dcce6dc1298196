/* OpenSSL's reads and writes, over the buffers of a connection. */
#include "proto/tls/tls_parts.h"

#include <openssl/bio.h>
#include <pthread.h>
#include <string.h>

static BIO_METHOD *method; /* for the life of the process */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int read_input(BIO *bio, char *data, size_t size, size_t *count) {
  struct tls *tls = BIO_get_data(bio);
  struct buffer *input = &tls->input;
  BIO_clear_retry_flags(bio);
  if (tls->updates_count > TLS_UPDATES_MAX) {
    *count = 0;
    return 0; /* fatal: OpenSSL would go on as long as there is input */
  }
  *count = size < input->len ? size : input->len;
  if (*count == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  memcpy(data, buffer_first(input), *count);
  buffer_consume(input, *count);
  return 1;
}

static int write_output(BIO *bio, const char *data, size_t size, size_t *count) {
  struct tls *tls = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  *count = 0;
  if (!buffer_reserve(&tls->output, size)) {
    tls->lacks_memory = true;
    return 0; /* fatal: a record that is half written can't be taken back */
  }
  memcpy(buffer_end(&tls->output), data, size);
  tls->output.len += size;
  *count = size;
  return 1;
}

static long control(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH;
}

static void make_method(void) {
  BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "holdfast");
  if (made != NULL && BIO_meth_set_read_ex(made, read_input) == 1 &&
      BIO_meth_set_write_ex(made, write_output) == 1 && BIO_meth_set_ctrl(made, control) == 1) {
    method = made;
  } else {
    BIO_meth_free(made);
  }
}

bool tls_bio_set(struct tls *tls) {
  pthread_once(&once, make_method);
  BIO *bio = method != NULL ? BIO_new(method) : NULL;
  if (bio == NULL) {
    return false;
  }
  BIO_set_data(bio, tls);
  BIO_set_init(bio, 1);
  SSL_set_bio(tls->ssl, bio, bio);
  return true;
}
