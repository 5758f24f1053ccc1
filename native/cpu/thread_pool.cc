#include "cpu/thread_pool.h"

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace qknorm {
namespace {

// Decode makes a call every few microseconds; waking a sleeping thread costs tens.
constexpr auto kSpin = std::chrono::microseconds(60);
// More slices than threads, so that a thread that is late or slowed down does not hold up the loop.
constexpr std::size_t kSlicesPerThread = 8;

void pause_core() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A container's CPU quota does not show in the affinity mask, and spinning threads would burn it.
std::size_t quota_threads() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return kMaxThreads;
  const double cores = std::strtod(quota.c_str(), nullptr) / period;
  return cores >= 1 ? static_cast<std::size_t>(std::min(cores, double(kMaxThreads))) : 1;
}

std::size_t default_threads() {
  static const std::size_t count = [] {
    if (const char* text = std::getenv("QKNORM_THREADS")) {
      // Not strtol, which glibc's headers of 2.38 and later make a function that older systems lack.
      const double asked = std::strtod(text, nullptr);
      if (asked >= 1) return static_cast<std::size_t>(std::min(asked, double(kMaxThreads)));
    }
    return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, quota_threads());
  }();
  return count;
}

// Node unloads an addon when the last worker thread that loaded it ends; our threads would lose their code.
void keep_library_loaded() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&keep_library_loaded), &info) != 0 && info.dli_fname != nullptr) {
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
}

class Pool {
 public:
  bool try_take() { return !taken_.exchange(true, std::memory_order_acquire); }
  void give_back() { taken_.store(false, std::memory_order_release); }

  // The caller has taken the pool.
  void run(std::size_t threads, std::size_t n, std::size_t slice, detail::LoopBody body, void* context) {
    // A thread that still counted as at work in the last loop would read this one half written.
    if (seats_.load(std::memory_order_acquire) != 0) throw std::logic_error("the last loop was never closed");
    start_workers(threads - 1);
    const std::size_t helpers = std::min(threads - 1, workers_);
    n_ = n;
    slice_ = slice;
    body_ = body;
    context_ = context;
    failure_ = nullptr;
    next_.store(0, std::memory_order_relaxed);
    seats_.store(std::uint64_t(helpers) << 32);
    wake(helpers);
    work();
    seats_.fetch_and(0xffffffffu);  // no more seats: a thread that wakes late finds the loop closed
    for (int spins = 0; static_cast<std::uint32_t>(seats_.load(std::memory_order_acquire)) != 0; ++spins) {
      if (spins < 4096) {
        pause_core();
      } else {
        std::this_thread::yield();
      }
    }
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

 private:
  void start_workers(std::size_t wanted) {
    if (workers_ == 0 && wanted > 0) keep_library_loaded();
    while (workers_ < wanted) {
      try {
        // Detached, and the pool is never destroyed: nothing to join at exit, nothing to hang on.
        std::thread([this] { serve(); }).detach();
      } catch (const std::system_error&) {
        return;  // no more threads to be had; the loop runs on those there are
      }
      ++workers_;
    }
  }

  void wake(std::size_t helpers) {
    const std::size_t asleep = sleepers_.load();
    if (asleep == 0) return;
    { std::lock_guard lock(mutex_); }
    for (std::size_t i = 0; i < std::min(asleep, helpers); ++i) woken_.notify_one();
  }

  bool open() const { return seats_.load() >> 32 != 0; }

  bool take_seat() {
    std::uint64_t seats = seats_.load(std::memory_order_relaxed);
    while (seats >> 32 != 0) {
      // one free seat less, one thread at work more
      if (seats_.compare_exchange_weak(seats, seats - (std::uint64_t(1) << 32) + 1, std::memory_order_acq_rel)) return true;
    }
    return false;
  }

  void work() {
    for (;;) {
      const std::size_t begin = next_.fetch_add(slice_, std::memory_order_relaxed);
      if (begin >= n_) return;
      try {
        body_(context_, begin, std::min(begin + slice_, n_));
      } catch (...) {
        std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
    }
  }

  [[noreturn]] void serve() {
    for (;;) {
      await_loop();
      if (!take_seat()) continue;
      work();
      seats_.fetch_sub(1, std::memory_order_acq_rel);
    }
  }

  void await_loop() {
    const auto until = std::chrono::steady_clock::now() + kSpin;
    do {
      for (int i = 0; i < 32; ++i) {
        if (open()) return;
        pause_core();
      }
    } while (std::chrono::steady_clock::now() < until);
    std::unique_lock lock(mutex_);
    ++sleepers_;  // before the look at seats_; the caller writes seats_ before its look at sleepers_
    woken_.wait(lock, [this] { return open(); });
    --sleepers_;
  }

  // High half: free seats in the open loop. Low half: threads at work in it.
  alignas(64) std::atomic<std::uint64_t> seats_{0};
  alignas(64) std::atomic<std::size_t> next_{0};
  alignas(64) std::atomic<bool> taken_{false};
  std::atomic<std::size_t> sleepers_{0};
  std::size_t n_ = 0;
  std::size_t slice_ = 0;
  detail::LoopBody body_ = nullptr;
  void* context_ = nullptr;
  std::exception_ptr failure_;
  std::size_t workers_ = 0;
  std::mutex mutex_;
  std::condition_variable woken_;
};

Pool& pool() {
  static Pool* const instance = new Pool;  // never destroyed: its threads outlive main()
  return *instance;
}

std::atomic<std::size_t> chosen_threads{0};

}  // namespace

std::size_t thread_count() {
  const std::size_t chosen = chosen_threads.load(std::memory_order_relaxed);
  return chosen != 0 ? chosen : default_threads();
}

void set_thread_count(std::size_t count) { chosen_threads.store(std::min(count, kMaxThreads)); }

void detail::run_loop(std::size_t n, std::size_t grain, LoopBody body, void* context) {
  if (n == 0) return;
  grain = std::clamp<std::size_t>(grain, 1, n);
  const std::size_t grains = n / grain + (n % grain != 0);
  const std::size_t threads = std::min(thread_count(), grains);
  if (threads < 2 || !pool().try_take()) {
    body(context, 0, n);
    return;
  }
  struct Taken {
    ~Taken() { pool().give_back(); }
  } taken;
  const std::size_t slices = threads * kSlicesPerThread;
  pool().run(threads, n, (grains / slices + (grains % slices != 0)) * grain, body, context);
}

}  // namespace qknorm
