// How far the device is behind the host on a stream.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>

#include "cuda/device.h"

namespace qknorm::cuda {

// Asked before a launch that can be queued in two ways: one costs the host less, the other the device. While the device
// is far behind, its time is what counts.
class Backlog {
 public:
  Backlog() = default;
  ~Backlog();
  Backlog(const Backlog&) = delete;

  // Whether something queued 100 microseconds ago has not run yet. Mostly the answer of some calls before: the driver is
  // asked at every eighth, through an event that is recorded on the stream. Not for a stream that is captured.
  bool is_deep(const Device& device, RawStream stream);

 private:
  std::atomic<unsigned> calls_{0};
  std::atomic<bool> deep_{false};
  std::mutex mutex_;
  RawEvent mark_ = nullptr;
  std::chrono::steady_clock::time_point marked_;
};

}  // namespace qknorm::cuda
