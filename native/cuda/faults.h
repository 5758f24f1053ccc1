// Indices that kernels found outside of what they address (kernels/faults.cuh): told without a launch, a copy or a wait of
// their own, in memory of the host that the device writes to.
#pragma once

#include <cstdint>
#include <mutex>

#include "cuda/device.h"

namespace qknorm::cuda {

class Faults {
 public:
  explicit Faults(Device& device) : device_(device) {}
  ~Faults();
  Faults(const Faults&) = delete;

  // Where kernels of this thread tell theirs. Throws ERR_CUDA when the system has no page for it.
  Address address();

  // After a wait: throws ERR_QKNORM_ARGUMENT with the first that kernels of this thread have told, and forgets it.
  void raise();

 private:
  // As kernels/faults.cuh has it.
  struct Record {
    std::uint32_t claimed, what;
    std::int32_t index;
    std::uint32_t bound, at;
    std::uint32_t unused[3];
  };

  // Threads past as many share them: who waits first is told.
  static constexpr unsigned kRecords = 128;
  static unsigned record_of_thread();

  Device& device_;
  std::mutex mutex_;
  Record* records_ = nullptr;
};

}  // namespace qknorm::cuda
