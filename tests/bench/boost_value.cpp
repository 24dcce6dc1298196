// Prints how many nanoseconds an increment takes under Boost.Interprocess's mutex in shared memory.
// Compiled by bench_cells, where Boost and a C++ compiler are installed.
#include <boost/interprocess/anonymous_shared_memory.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <new>

namespace bi = boost::interprocess;

struct Shared {
  bi::interprocess_mutex mutex;
  volatile std::int64_t number = 0;
};

int main() {
  constexpr int loops = 2000000;
  bi::mapped_region region(bi::anonymous_shared_memory(sizeof(Shared)));
  auto *shared = new (region.get_address()) Shared;
  auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < loops; i++) {
    bi::scoped_lock<bi::interprocess_mutex> lock(shared->mutex);
    shared->number = shared->number + 1;
  }
  std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - began;
  std::printf("%.2f\n", took.count() / loops);
}
