#include "client/src/call/paging.h"

#include "proto/base/clock.h"

struct paging paging_begin(hf_conn *conn) {
  return (struct paging){.conn = conn,
                         .since_ns = clock_now_ns(),
                         .allowed_ns = (uint64_t)conn->call_timeout_ms * CLOCK_NS_PER_MS};
}

hf_status paging_check(struct paging *paging, uint64_t entry_count, bool is_further) {
  hf_conn *conn = paging->conn;
  paging->entry_count += entry_count;
  paging->allowed_ns += entry_count < PAGING_ENTRIES_MIN ? 0 : entry_count * PAGING_ENTRY_NS;
  if (!is_further) {
    return error_format(HF_REASON_BAD_REPLY,
                        "the server at %s promises more, but its pages do not get any further; are "
                        "the versions compatible?",
                        conn->url);
  }
  if (paging->entry_count > PAGING_ENTRIES_MAX) {
    return error_format(HF_REASON_REPLY_TOO_BIG,
                        "more than %u entries; ask for those with a longer prefix",
                        PAGING_ENTRIES_MAX);
  }
  uint64_t taken_ns = clock_now_ns() - paging->since_ns;
  if (taken_ns < paging->allowed_ns) {
    return HF_OK;
  }
  return error_format(
      HF_REASON_NOT_CONNECTED,
      "the server at %s has sent %llu entries in %lld ms, and promises more; narrow "
      "the request down, or raise the call timeout",
      conn->url, (unsigned long long)paging->entry_count, (long long)(taken_ns / CLOCK_NS_PER_MS));
}

hf_status paging_next(struct paging *paging, bool *is_due) {
  bool is_first = !paging->has_page;
  *is_due = is_first || paging->has_more;
  paging->has_page = true;
  return is_first || !paging->has_more
             ? HF_OK
             : paging_check(paging, paging->page_count, paging->is_further);
}
