// A device and its primary context: the one that every CUDA runtime in the process shares.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>

#include "cuda/driver.h"

namespace qknorm::cuda {

class Faults;
class Staging;

class Device {
 public:
  // Retains the primary context on first use and keeps it. Throws ERR_QKNORM_DEVICE for an ordinal that is not there.
  static Device& at(std::size_t ordinal);

  ~Device();

  // Makes the context current in this thread; a comparison when it is already.
  void enter() const;

  std::size_t ordinal() const { return ordinal_; }
  const std::string& name() const { return name_; }
  int capability() const { return capability_; }  // 90 for 9.0
  int attribute(DeviceAttribute attribute) const;
  std::size_t bytes() const { return bytes_; }
  RawPool pool() const { return pool_; }  // null: no stream-ordered memory
  Staging& staging();
  Faults& faults() { return *faults_; }

  // Bytes that allocations hold, those that a graph still keeps included; and the most they may. 0: no limit.
  std::size_t live_bytes() const { return live_bytes_.load(); }
  std::size_t budget() const { return budget_.load(); }
  void set_budget(std::size_t bytes) { budget_.store(bytes); }

  // Bytes that an allocation may still get: free for all processes, or held by the pool for nothing any more.
  std::size_t free_bytes() const;

  // Counts bytes in, or throws ERR_CUDA if they would pass the budget.
  void reserve(std::size_t bytes);
  void unreserve(std::size_t bytes) { live_bytes_.fetch_sub(bytes); }

  // A stream of the device's own, for what must not become part of a capture.
  RawStream side_stream();

 private:
  explicit Device(std::size_t ordinal);

  std::size_t ordinal_;
  Ordinal raw_ = 0;
  RawContext context_ = nullptr;
  RawPool pool_ = nullptr;
  std::string name_;
  int capability_ = 0;
  std::size_t bytes_ = 0;
  std::atomic<std::size_t> live_bytes_{0}, budget_{0};
  std::mutex mutex_;
  RawStream side_stream_ = nullptr;
  std::unique_ptr<Staging> staging_;
  std::unique_ptr<Faults> faults_;
};

}  // namespace qknorm::cuda
