/* Results in pages: each page is a call of its own, with a bound on all pages together.
 *
 * layer   client, call
 * threads the calling thread's; of a submitted call any thread's, with the connection's mutex
 */
#ifndef HF_CLIENT_PAGING_H
#define HF_CLIENT_PAGING_H

#include "client/src/connection/conn.h"

/* The time for all pages: the call timeout, plus this per entry. Pages with fewer entries add
 * nothing: visiting many objects of which few match takes the server little time. */
#define PAGING_ENTRY_NS 100000
#define PAGING_ENTRIES_MIN 100
/* Entries of a listing; RESOURCE_EXHAUSTED REPLY_TOO_BIG beyond. */
#define PAGING_ENTRIES_MAX (1u << 23)

struct paging {
  hf_conn *conn;
  uint64_t since_ns, entry_count, allowed_ns;
  /* Of the last page, which the reader of its reply sets: its entries, and whether its cursor lies beyond
   * that of its request. */
  size_t page_count;
  bool has_page, has_more, is_further;
};

struct paging paging_begin(hf_conn *conn);
/* To be called for each page that is not the last. is_further: its cursor lies beyond that of its
 * request. HF_OK | INTERNAL BAD_REPLY the cursor makes no progress | UNAVAILABLE NOT_CONNECTED the
 * time is up | RESOURCE_EXHAUSTED REPLY_TOO_BIG */
hf_status paging_check(struct paging *paging, uint64_t entry_count, bool is_further);
/* The step of a listing: whether a page is to be requested, the first one or one more. As paging_check */
hf_status paging_next(struct paging *paging, bool *is_due);

#endif
