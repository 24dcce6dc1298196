/* Results in pages: each page is a call of its own, and all of them together come to an end.
 *
 * layer   client, call
 * threads the calling thread's
 */
#ifndef HF_CLIENT_PAGING_H
#define HF_CLIENT_PAGING_H

#include "client/src/connection/conn.h"

/* All pages together may take the call timeout, and so many nanoseconds more for each entry. Pages
 * with fewer entries get none: looking at many objects of which few are wanted takes a server little. */
#define PAGING_ENTRY_NS 100000
#define PAGING_ENTRIES_MIN 100
/* Entries of a listing; beyond RESOURCE_EXHAUSTED REPLY_TOO_BIG. */
#define PAGING_ENTRIES_MAX (1u << 23)

struct paging {
  hf_conn *conn;
  uint64_t since_ns, entry_count, allowed_ns;
};

struct paging paging_begin(hf_conn *conn);
/* A page arrived, and there are more. is_further: its cursor lies beyond the one it was asked with.
 * HF_OK | INTERNAL BAD_REPLY the pages lead nowhere | UNAVAILABLE NOT_CONNECTED they take too long
 * | RESOURCE_EXHAUSTED REPLY_TOO_BIG */
hf_status paging_check(struct paging *paging, uint64_t entry_count, bool is_further);

#endif
