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
  RepeatedLaunch* repeated;  // null: this start is not one of many
};

inline constexpr std::size_t kMostArgumentBytes = 4096;

// Copies the arguments, fills in the addresses, and queues the kernel; whether that went by the graph of what is
// repeated. Throws before anything is queued: ERR_QKNORM_ARGUMENT, ERR_QKNORM_LAYOUT, ERR_QKNORM_DEVICE, ERR_CUDA naming
// the kernel and its geometry.
bool launch(const Launch& launch, const void* arguments, std::size_t bytes, const AddressField* fields,
            std::size_t count);

}  // namespace qknorm::cuda
