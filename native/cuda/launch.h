// Starting a kernel.
#pragma once

#include <cstddef>
#include <memory>

#include "cuda/memory.h"
#include "cuda/module.h"
#include "cuda/repeated_launch.h"

namespace qknorm::cuda {

// A field of the arguments that gets the address of `length` bytes of memory from `offset`; null memory gives 0. The
// memory outlives the call.
struct AddressField {
  std::size_t at;  // byte in the arguments
  const std::shared_ptr<Memory>* memory;
  std::size_t offset;
  std::size_t length;
};

// Function, stream and what is repeated outlive the call.
struct Launch {
  Function* function;
  const std::shared_ptr<Stream>* stream;
  unsigned grid[3];
  unsigned block[3];
  std::size_t shared_bytes;  // dynamic
  bool alone;                // without PDL, even if the kernel could
  bool together;             // all blocks run at the same time, or the launch fails; without PDL
  RepeatedLaunch* repeated;  // null: this start is not one of many
};

// Of sm_70 and later, by drivers from CUDA 12.1 on; others refuse to load a kernel with more than 4 KiB.
inline constexpr std::size_t kMostArgumentBytes = 32764;

// Copies the arguments, fills in the addresses, and queues the kernel; whether that went by the graph of what is
// repeated. Throws before anything is queued: ERR_QKNORM_ARGUMENT, ERR_QKNORM_LAYOUT, ERR_QKNORM_DEVICE, ERR_CUDA naming
// the kernel and its geometry.
bool launch(const Launch& launch, const void* arguments, std::size_t bytes, const AddressField* fields,
            std::size_t count);

}  // namespace qknorm::cuda
