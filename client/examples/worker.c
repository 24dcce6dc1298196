/* Squares the numbers on the queue "work" into the dict "results" until it gets something else. */
#include <err.h>
#include <holdfast/holdfast.h>
int main(void) {
  hf_conn *conn;
  hf_queue *work;
  hf_dict *results;
  if (hf_connect(NULL, NULL, &conn) != HF_OK || hf_queue_open(conn, "work", 0, &work) != HF_OK ||
      hf_dict_open(conn, "results", &results) != HF_OK)
    errx(1, "%s", hf_last_error()->message);
  hf_value n = hf_none();
  for (bool more = true; more; hf_value_clear(&n))
    if (hf_queue_get(work, HF_FOREVER, &n) != HF_OK ||
        ((more = n.type == HF_TYPE_INT) &&
         hf_dict_set(results, n, hf_int(n.integer * n.integer)) != HF_OK) ||
        hf_queue_task_done(work) != HF_OK)
      errx(1, "%s", hf_last_error()->message);
  hf_dict_close(results), hf_queue_close(work);
  hf_close(conn);
}
