/* Memory per entry. See memory.h. */
#include "tests/bench/memory.h"

#include "tests/bench/library.h"
#include "tests/bench/process.h"
#include "tests/bench/redis.h"
#include "tests/support/daemon.h"

#include <stdio.h>

#define FILL_CALLS 4096

static uint64_t counted_bytes(hf_conn *conn) {
  struct hf_server_info info;
  library_expect(hf_server_info(conn, &info), "server info");
  return info.memory_bytes;
}

static void fill_dict(hf_conn *conn, hf_dict *dict, uint64_t entries) {
  for (uint64_t i = 0; i < entries;) {
    uint64_t end = i + FILL_CALLS < entries ? i + FILL_CALLS : entries;
    library_expect(hf_pipeline_begin(conn, BENCH_PIPELINE_COUNT), "fill");
    for (; i < end; i++) {
      char key[32];
      int len = snprintf(key, sizeof(key), "key:%09llu", (unsigned long long)i);
      library_expect(hf_dict_set(dict, hf_text_n(key, (size_t)len), hf_int((int64_t)(i % 100000))),
                     "fill");
    }
    library_expect(hf_pipeline_end(conn, NULL), "fill");
  }
}

static void measure_holdfast(uint64_t entries, struct bench_memory *out) {
  struct daemon daemon;
  hf_conn *conn;
  hf_dict *dict;
  daemon_start(&daemon, NULL);
  library_expect(hf_connect(daemon.ipc_url, NULL, &conn), daemon.ipc_url);
  library_expect(hf_dict_open(conn, "bench:big", &dict), "dict");
  uint64_t counted = counted_bytes(conn), resident = daemon_resident_bytes(&daemon);
  fill_dict(conn, dict, entries);
  out->holdfast_counted = (double)(counted_bytes(conn) - counted) / (double)entries;
  out->holdfast_resident = (double)(daemon_resident_bytes(&daemon) - resident) / (double)entries;
  hf_dict_close(dict);
  hf_close(conn);
  daemon_stop(&daemon);
}

static void measure_redis(struct bench_servers *servers, uint64_t entries,
                          struct bench_memory *out) {
  struct bench_servers fresh = *servers;
  uint64_t used;
  pid_t pid = redis_start(&fresh);
  uint64_t resident = process_resident_bytes(pid);
  redis_fill_hash(&fresh, entries, &used);
  out->redis_counted = (double)used / (double)entries;
  out->redis_resident = (double)(process_resident_bytes(pid) - resident) / (double)entries;
  process_stop(pid);
}

void memory_measure(struct bench_servers *servers, uint64_t entries, bool peers,
                    struct bench_memory *out) {
  *out = (struct bench_memory){.entries = entries};
  measure_holdfast(entries, out);
  if (peers)
    measure_redis(servers, entries, out);
}
