#include "cuda/memory.h"

#include <algorithm>
#include <string>

namespace qknorm::cuda {
namespace {

// Lets this thread allocate although it captures: the allocation is on a stream that does not.
class Relaxed {
 public:
  Relaxed() { check(driver().capture_mode(&mode_), "cuThreadExchangeStreamCaptureMode"); }
  ~Relaxed() { driver().capture_mode(&mode_); }

 private:
  int mode_ = kCaptureRelaxed;
};

}  // namespace

Memory::Memory(std::shared_ptr<Stream> home, std::size_t bytes) : home_(std::move(home)), bytes_(bytes) {
  Device& device = home_->device();
  if (device.pool() == nullptr) {
    throw CudaError(kErrCuda, device.name() + " has no stream-ordered memory (memory pools)");
  }
  if (bytes_ == 0) return;
  device.enter();
  if (home_->capture() == nullptr) device.release_leftovers();
  device.reserve(bytes_);
  try {
    allocate();
  } catch (...) {
    device.unreserve(bytes_);
    throw;
  }
}

void Memory::allocate() {
  Device& device = home_->device();
  const DriverApi& api = driver();
  const bool captured = home_->capture() != nullptr;
  const RawStream stream = captured ? device.side_stream() : home_->raw();
  const auto where = [&] {
    return std::to_string(bytes_) + " bytes on cuda:" + std::to_string(device.ordinal()) + ", where " +
           std::to_string(device.live_bytes() - bytes_) + " are in use";
  };
  if (captured) {
    const Relaxed relaxed;
    check(api.allocate(&address_, bytes_, stream), "cuMemAllocAsync", where);
    // From here on every stream may use it, in whatever order the graph runs.
    check(api.stream_synchronize(stream), "cuStreamSynchronize");
    return;
  }
  Status status = api.allocate(&address_, bytes_, stream);
  if (status == kOutOfMemory && thread_captures().empty()) {
    // The pool may hold blocks of other sizes: let them go once their streams are done, and ask again.
    check(api.stream_synchronize(stream), "cuStreamSynchronize");
    api.pool_trim(device.pool(), 0);
    status = api.allocate(&address_, bytes_, stream);
  }
  check(status, "cuMemAllocAsync", where);
}

Memory::~Memory() {
  if (address_ != 0) free();
}

void Memory::free() noexcept {
  Device& device = home_->device();
  try {
    device.enter();
    const bool captured = home_->capture() != nullptr || std::any_of(visitors_.begin(), visitors_.end(), [](auto& s) {
                            return s->capture() != nullptr;
                          });
    if (captured) return device.release_later({address_, bytes_});
    const DriverApi& api = driver();
    for (const auto& visitor : visitors_) {
      const Event done(device, false);
      api.event_record(done.raw(), visitor->raw());
      api.stream_wait(home_->raw(), done.raw(), 0);
    }
    api.free(address_, home_->raw());
    device.unreserve(bytes_);
  } catch (const std::exception&) {
    // The context is broken: its memory goes with the process.
  }
}

Address Memory::address(std::size_t offset, std::size_t length, const char* name) const {
  if (offset > bytes_ || length > bytes_ - offset) {
    throw CodedError(kErrLayout, std::string(name) + " needs " + std::to_string(length) + " bytes from offset " +
                                     std::to_string(offset) + ", but its memory has " + std::to_string(bytes_));
  }
  return address_ + offset;
}

void Memory::use_on(const std::shared_ptr<Stream>& stream) {
  if (stream == home_) return;
  const std::lock_guard lock(mutex_);
  if (std::find(visitors_.begin(), visitors_.end(), stream) == visitors_.end()) visitors_.push_back(stream);
}

void use(const std::shared_ptr<Memory>& memory, const std::shared_ptr<Stream>& stream) {
  same_device(memory->device(), stream->device(), "the memory and the stream");
  memory->use_on(stream);
  if (const auto capture = stream->capture()) capture->keep(memory);
}

}  // namespace qknorm::cuda
