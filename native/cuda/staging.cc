#include "cuda/staging.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "cuda/faults.h"

namespace qknorm::cuda {
namespace {

// As many bytes as there are, up to `count`.
std::size_t read_at(int descriptor, char* to, std::size_t count, std::size_t position) {
  std::size_t done = 0;
  while (done < count) {
    const ssize_t got = pread(descriptor, to + done, count - done, static_cast<off_t>(position + done));
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw CodedError(kErrNative, std::string("the file cannot be read: ") + std::strerror(errno));
    done += static_cast<std::size_t>(got);
  }
  return done;
}

}  // namespace

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

template <typename Fill>
std::size_t Staging::send(const std::shared_ptr<Stream>& stream, Address to, std::size_t bytes, const Fill& fill) {
  Buffer& buffer = buffers_[next_++ % 2];
  buffer.travelled->synchronize();
  const std::size_t filled = fill(buffer.memory, bytes);
  if (filled == 0) return 0;
  check(driver().upload(to, buffer.memory, filled, stream->raw()), "cuMemcpyHtoDAsync");
  buffer.travelled->record(*stream);
  return filled;
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
    send(stream, address + done, std::min(kBytes, bytes - done), [&](char* buffer, std::size_t count) {
      std::memcpy(buffer, static_cast<const char*>(from) + done, count);
      return count;
    });
  }
}

std::size_t Staging::upload_file(const std::shared_ptr<Stream>& stream, const std::shared_ptr<Memory>& to,
                                 std::size_t offset, const FileRange& from) {
  stream->refuse_capture("a copy from a file");
  const Address address = to->address(offset, from.bytes, "the copy");
  use(to, stream);
  if (from.bytes == 0) return 0;
  device_.enter();
  const std::lock_guard lock(mutex_);
  prepare();
  std::size_t done = 0;
  while (done < from.bytes) {
    const std::size_t wanted = std::min(kBytes, from.bytes - done);
    const std::size_t got = send(stream, address + done, wanted, [&](char* buffer, std::size_t count) {
      return read_at(from.descriptor, buffer, count, from.position + done);
    });
    done += got;
    if (got < wanted) break;
  }
  return done;
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
  device_.faults().raise();
}

}  // namespace qknorm::cuda
