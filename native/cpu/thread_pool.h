// A process-wide pool for loops over independent items. It does not queue: a loop that finds the pool taken
// (another Node worker thread, or a loop inside a loop) runs on its own thread instead.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

namespace qknorm {

// Threads that a loop may use, the caller included: QKNORM_THREADS, else what the process may run on.
std::size_t thread_count();

// Changes thread_count() from the next loop on; 0 goes back to the default. At most kMaxThreads are used.
void set_thread_count(std::size_t count);

inline constexpr std::size_t kMaxThreads = 256;

namespace detail {
using LoopBody = void (*)(void* context, std::size_t begin, std::size_t end);
void run_loop(std::size_t n, std::size_t grain, LoopBody body, void* context);
}  // namespace detail

// Calls body(begin, end) over slices that cover [0, n) once; every slice starts at a multiple of `grain` and, but
// for the last, ends at one. Slices depend on the thread count, so a body must compute each item from that item
// alone: then the results do not. The first exception of a body is thrown again here, after all threads have left.
template <typename Body>
void parallel_for(std::size_t n, std::size_t grain, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  detail::run_loop(
      n, grain, [](void* context, std::size_t begin, std::size_t end) { (*static_cast<Plain*>(context))(begin, end); },
      const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

}  // namespace qknorm
