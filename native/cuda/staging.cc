#include "cuda/staging.h"

#include <algorithm>
#include <cstring>

namespace qknorm::cuda {

Staging::~Staging() {
  for (const Buffer& buffer : buffers_) {
    if (buffer.memory != nullptr) driver().host_free(buffer.memory);
  }
}

void Staging::prepare() {
  const AsideFromCapture aside;  // of another stream of this thread
  for (Buffer& buffer : buffers_) {
    if (buffer.travelled == nullptr) buffer.travelled = std::make_unique<Event>(device_, false);
    if (buffer.memory != nullptr) continue;
    void* memory = nullptr;
    check(driver().host_allocate(&memory, kBytes, 0), "cuMemHostAlloc", "a pinned buffer for copies");
    buffer.memory = static_cast<char*>(memory);
  }
}

void Staging::upload(const std::shared_ptr<Stream>& stream, const std::shared_ptr<Memory>& to, std::size_t offset,
                     const void* from, std::size_t bytes) {
  stream->refuse_capture("a copy from the host");
  const Address address = to->address(offset, bytes, "the copy");
  use(to, stream);
  if (bytes == 0) return;
  device_.enter();
  const std::lock_guard lock(mutex_);
  prepare();
  for (std::size_t done = 0; done < bytes; done += kBytes) {
    Buffer& buffer = buffers_[next_++ % 2];
    const std::size_t count = std::min(kBytes, bytes - done);
    buffer.travelled->synchronize();
    std::memcpy(buffer.memory, static_cast<const char*>(from) + done, count);
    check(driver().upload(address + done, buffer.memory, count, stream->raw()), "cuMemcpyHtoDAsync");
    buffer.travelled->record(*stream);
  }
}

void Staging::download(const std::shared_ptr<Stream>& stream, void* to, const std::shared_ptr<Memory>& from,
                       std::size_t offset, std::size_t bytes) {
  stream->refuse_capture("a copy to the host");
  const Address address = from->address(offset, bytes, "the copy");
  use(from, stream);
  if (bytes == 0) return;
  device_.enter();
  const std::lock_guard lock(mutex_);
  prepare();
  const std::size_t pieces = (bytes + kBytes - 1) / kBytes;
  for (std::size_t i = 0; i <= pieces; ++i) {
    if (i < pieces) {
      Buffer& buffer = buffers_[(next_ + i) % 2];
      buffer.travelled->synchronize();
      const std::size_t count = std::min(kBytes, bytes - i * kBytes);
      check(driver().download(buffer.memory, address + i * kBytes, count, stream->raw()), "cuMemcpyDtoHAsync");
      buffer.travelled->record(*stream);
    }
    if (i == 0) continue;
    const Buffer& arrived = buffers_[(next_ + i - 1) % 2];
    arrived.travelled->synchronize();
    const std::size_t done = (i - 1) * kBytes;
    std::memcpy(static_cast<char*>(to) + done, arrived.memory, std::min(kBytes, bytes - done));
  }
  next_ += static_cast<unsigned>(pieces);
}

}  // namespace qknorm::cuda
