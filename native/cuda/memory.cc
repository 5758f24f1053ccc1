#include "cuda/memory.h"

#include <algorithm>
#include <string>

namespace qknorm::cuda {
namespace {

struct Leftovers {
  std::mutex mutex;
  std::vector<Block> blocks;
};

Leftovers& leftovers() {
  static Leftovers& all = *new Leftovers;
  return all;
}

// Freeing on a stream that is captured would become part of the graph, and so would an event there.
bool must_wait(const Block& block) {
  const auto captured = [](const std::shared_ptr<Stream>& stream) { return stream->capture() != nullptr; };
  return !thread_captures().empty() || captured(block.home) ||
         std::any_of(block.visitors.begin(), block.visitors.end(), captured);
}

void free_now(const Block& block) noexcept {
  Device& device = block.home->device();
  try {
    device.enter();
    const DriverApi& api = driver();
    for (const auto& visitor : block.visitors) {
      const Event done(device, false);
      api.event_record(done.raw(), visitor->raw());
      api.stream_wait(block.home->raw(), done.raw(), 0);
    }
    api.free(block.address, block.home->raw());
    if (block.counted == Counted::kYes) device.unreserve(block.bytes);
  } catch (const std::exception&) {
    // The context is broken: its memory goes with the process.
  }
}

}  // namespace

void free_leftovers() noexcept {
  std::vector<Block> ready;
  {
    const std::lock_guard lock(leftovers().mutex);
    auto& blocks = leftovers().blocks;
    const auto waiting = std::partition(blocks.begin(), blocks.end(), must_wait);
    ready.assign(waiting, blocks.end());
    blocks.erase(waiting, blocks.end());
  }
  for (const Block& block : ready) free_now(block);
}

Memory::Memory(std::shared_ptr<Stream> home, std::size_t bytes, Counted counted, Contents contents)
    : block_{std::move(home), {}, 0, bytes, counted} {
  Device& owner = device();
  if (owner.pool() == nullptr) {
    throw CudaError(kErrCuda, owner.name() + " has no stream-ordered memory (memory pools)");
  }
  if (bytes == 0) return;
  owner.enter();
  free_leftovers();
  if (counted == Counted::kYes) owner.reserve(bytes);
  try {
    allocate(contents);
  } catch (...) {
    if (counted == Counted::kYes) owner.unreserve(bytes);
    throw;
  }
}

void Memory::allocate(Contents contents) {
  const DriverApi& api = driver();
  const bool captured = block_.home->capture() != nullptr;
  const RawStream stream = captured ? device().side_stream() : block_.home->raw();
  const AsideFromCapture aside;
  Status status = api.allocate(&block_.address, block_.bytes, stream);
  if (status == kOutOfMemory && thread_captures().empty()) {
    // The pool may hold blocks of other sizes: let them go once their streams are done, and ask again.
    check(api.stream_synchronize(stream), "cuStreamSynchronize");
    api.pool_trim(device().pool(), 0);
    status = api.allocate(&block_.address, block_.bytes, stream);
    // A request that fails leaves what it got so far in the pool, which may be all that was free.
    if (status == kOutOfMemory) api.pool_trim(device().pool(), 0);
  }
  check(status, "cuMemAllocAsync", [&] {
    // Of a device that is lost nothing can be asked.
    const std::string free = status == kOutOfMemory ? std::to_string(device().free_bytes()) + " are free and " : "";
    const std::size_t own = block_.counted == Counted::kYes ? block_.bytes : 0;
    return std::to_string(block_.bytes) + " bytes on cuda:" + std::to_string(device().ordinal()) + ", where " + free +
           std::to_string(device().live_bytes() - own) + " are in use";
  });
  if (contents == Contents::kZeros) check(api.fill(block_.address, 0, block_.bytes, stream), "cuMemsetD8Async");
  // From here on every stream may use it, in whatever order the graph runs.
  if (captured) check(api.stream_synchronize(stream), "cuStreamSynchronize");
}

Memory::~Memory() {
  if (block_.address == 0) return;
  if (!must_wait(block_)) {
    free_now(block_);
    return;
  }
  const std::lock_guard lock(leftovers().mutex);
  leftovers().blocks.push_back(std::move(block_));
}

Address Memory::address(std::size_t offset, std::size_t length, const char* name) const {
  if (offset > block_.bytes || length > block_.bytes - offset) {
    throw CodedError(kErrLayout, std::string(name) + " needs " + std::to_string(length) + " bytes from offset " +
                                     std::to_string(offset) + ", but its memory has " + std::to_string(block_.bytes));
  }
  return block_.address + offset;
}

void Memory::use_on(const std::shared_ptr<Stream>& stream) {
  if (stream == block_.home) return;
  const std::lock_guard lock(mutex_);
  auto& visitors = block_.visitors;
  if (std::find(visitors.begin(), visitors.end(), stream) == visitors.end()) visitors.push_back(stream);
}

void use(const std::shared_ptr<Memory>& memory, const std::shared_ptr<Stream>& stream) {
  same_device(memory->device(), stream->device(), "the memory and the stream");
  memory->use_on(stream);
  if (const auto capture = stream->capture()) capture->keep(memory);
}

}  // namespace qknorm::cuda
