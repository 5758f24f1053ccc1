// Copies between JavaScript's memory, or a file, and the device, through two pinned buffers: while one travels, the other
// is filled or emptied. Pinned, because the device reads pageable memory only after the driver has copied it, and the
// call could not return before that.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>

#include "cuda/memory.h"

namespace qknorm::cuda {

// Bytes of an open file.
struct FileRange {
  int descriptor;
  std::size_t position, bytes;
};

class Staging {
 public:
  explicit Staging(Device& device) : device_(device) {}
  ~Staging();
  Staging(const Staging&) = delete;

  // Queues the copy; `from` may change as soon as this returns.
  void upload(const std::shared_ptr<Stream>& stream, const std::shared_ptr<Memory>& to, std::size_t offset,
              const void* from, std::size_t bytes);
  // Queues the copy of a range of an open file, read straight into the pinned buffers. Returns the bytes that there were: fewer
  // than asked for where the file has ended. Throws ERR_NATIVE where it cannot be read.
  std::size_t upload_file(const std::shared_ptr<Stream>& stream, const std::shared_ptr<Memory>& to, std::size_t offset,
                          const FileRange& from);
  // Waits for the stream; `to` is complete when this returns.
  void download(const std::shared_ptr<Stream>& stream, void* to, const std::shared_ptr<Memory>& from,
                std::size_t offset, std::size_t bytes);

 private:
  static constexpr std::size_t kBytes = std::size_t(4) << 20;

  struct Buffer {
    char* memory = nullptr;
    std::unique_ptr<Event> travelled;  // the last copy that used it
  };

  void prepare();
  // Fills the next buffer by fill(memory, bytes), which returns how many there were, and queues the copy of those.
  template <typename Fill>
  std::size_t send(const std::shared_ptr<Stream>& stream, Address to, std::size_t bytes, const Fill& fill);

  Device& device_;
  std::mutex mutex_;
  Buffer buffers_[2];
  unsigned next_ = 0;
};

}  // namespace qknorm::cuda
