/* A user's program: stores a square, reads it back, asks for a key that is not there. */
#include <err.h>
#include <holdfast/holdfast.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  hf_conn *conn;
  hf_dict *squares;
  hf_value nine;
  hf_value missing;
  if (hf_connect(argc > 1 ? argv[1] : NULL, NULL, &conn) != HF_OK)
    errx(1, "connect: %s", hf_last_error()->message);
  if (hf_dict_open(conn, "consumer", &squares) != HF_OK ||
      hf_dict_set(squares, hf_int(3), hf_int(9)) != HF_OK ||
      hf_dict_get(squares, hf_int(3), &nine) != HF_OK)
    errx(1, "dict: %s", hf_last_error()->message);
  if (nine.type != HF_TYPE_INT)
    errx(1, "not an integer");
  printf("3 squared is %" PRId64 "\n", nine.integer);
  hf_value_clear(&nine);

  hf_status status = hf_dict_get(squares, hf_text("four"), &missing);
  printf("four: %s\n", hf_last_error()->reason);
  if (status != HF_NOT_FOUND || strcmp(hf_last_error()->reason, "NO_SUCH_KEY") != 0)
    errx(1, "a missing key answered %d", status);
  hf_dict_close(squares);
  hf_close(conn);
  return 0;
}
