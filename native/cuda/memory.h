// Stream-ordered memory. It belongs to the stream it was allocated on; other streams may use it as well, and freeing
// waits for them on the device, never on the host.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "cuda/stream.h"

namespace qknorm::cuda {

// Whether the bytes are part of what a device counts as live, and of its budget.
enum class Counted { kYes, kNo };

// What memory holds at first.
enum class Contents { kAny, kZeros };

// Memory on its way back: who used it, and in whose order it is freed.
struct Block {
  std::shared_ptr<Stream> home;
  std::vector<std::shared_ptr<Stream>> visitors;
  Address address = 0;
  std::size_t bytes = 0;
  Counted counted = Counted::kYes;
};

// Frees what could not be freed while a graph was captured; what still cannot goes on waiting.
void free_leftovers() noexcept;

class Memory {
 public:
  // `bytes` of memory, usable on `home` at once. During a capture it is allocated, and set to zeros, outside of the graph,
  // which keeps it. Throws ERR_CUDA past the budget, or when the device has no more.
  Memory(std::shared_ptr<Stream> home, std::size_t bytes, Counted counted = Counted::kYes, Contents contents = Contents::kAny);
  ~Memory();
  Memory(const Memory&) = delete;

  Device& device() const { return block_.home->device(); }
  std::size_t bytes() const { return block_.bytes; }

  // The address of `length` bytes from `offset`; throws ERR_QKNORM_LAYOUT unless they are inside.
  Address address(std::size_t offset, std::size_t length, const char* name) const;

  // Says that `stream` is about to use it.
  void use_on(const std::shared_ptr<Stream>& stream);

 private:
  void allocate(Contents contents);

  Block block_;
  std::mutex mutex_;  // of the visitors
};

template <>
struct HandleKind<Memory> {
  static constexpr Handle number = 3;
  static constexpr const char* name = "block of device memory";
};

// `memory` is used on `stream` from here on: checks the device, remembers the stream, and keeps it for a capture.
void use(const std::shared_ptr<Memory>& memory, const std::shared_ptr<Stream>& stream);

}  // namespace qknorm::cuda
