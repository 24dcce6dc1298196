/* Closing a handle of any kind. */
#include "client/src/connection/references.h"
#include "client/src/mapped/mapped_close.h"
#include "client/src/mapped/segments.h"

void hf_object_close(hf_object *object) {
  if (object == NULL) {
    return;
  }
  if (object->kind == HF_PIPE) {
    hf_pipe_close((hf_pipe *)object);
    return;
  }
  hf_conn *conn = object->conn;
  mapped_cell_close(object);
  struct segment_map *map = object->mapped.map;
  conn_lock(conn);
  handle_free(object);
  conn_unlock(conn);
  segments_release(conn, map);
}
