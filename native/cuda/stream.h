// Streams, events, and what a capture keeps.
#pragma once

#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "cuda/backlog.h"
#include "cuda/device.h"
#include "cuda/handles.h"

namespace qknorm::cuda {

class Memory;
class Stream;

// One capture, from begin to end. A graph replays addresses: it keeps the memory that it was captured with. Kernels are
// never unloaded, and need not be kept.
class Capture {
 public:
  Capture() : thread_(std::this_thread::get_id()) {}
  bool is_open() const { return open_.load(std::memory_order_acquire); }
  bool is_of_this_thread() const { return thread_ == std::this_thread::get_id(); }
  void close() { open_.store(false, std::memory_order_release); }
  void keep(std::shared_ptr<Memory> memory);
  std::vector<std::shared_ptr<Memory>> take_kept();  // each once

 private:
  std::atomic<bool> open_{true};
  std::thread::id thread_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Memory>> kept_;
};

class Stream {
 public:
  explicit Stream(Device& device);
  ~Stream();
  Stream(const Stream&) = delete;

  Device& device() const { return device_; }
  RawStream raw() const { return raw_; }

  // The open capture that this stream takes part in, as its origin or by an event; null for none.
  std::shared_ptr<Capture> capture() const;
  void join_capture(std::shared_ptr<Capture> capture);

  Backlog& backlog() { return backlog_; }

  // Throws ERR_QKNORM_SCOPE in a capture: what would wait for the device cannot be recorded.
  void refuse_capture(const char* what) const;

 private:
  Device& device_;
  RawStream raw_ = nullptr;
  Backlog backlog_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<Capture> capture_;
};

class Event {
 public:
  Event(Device& device, bool timed);
  ~Event();
  Event(const Event&) = delete;

  Device& device() const { return device_; }
  RawEvent raw() const { return raw_; }
  void record(Stream& stream);
  void wait_on(Stream& stream);  // the stream waits for this event
  bool is_done() const;          // also before the first record
  void synchronize() const;

 private:
  std::shared_ptr<Capture> open_capture() const;
  void refuse_capture(const char* what) const;

  Device& device_;
  RawEvent raw_ = nullptr;
  mutable std::mutex mutex_;
  std::shared_ptr<Capture> capture_;
};

// Both must be timed and done. Milliseconds.
float elapsed(const Event& start, const Event& end);

template <>
struct HandleKind<Stream> {
  static constexpr Handle number = 1;
  static constexpr const char* name = "stream";
};
template <>
struct HandleKind<Event> {
  static constexpr Handle number = 2;
  static constexpr const char* name = "event";
};

inline constexpr const char* kErrScope = "ERR_QKNORM_SCOPE";

// Captures of all threads that are open. Zero on the usual path: then nobody need look at a stream's capture.
std::atomic<int>& open_captures();

// The streams on which this thread has begun a capture that is open. Some driver calls are forbidden to it meanwhile.
std::vector<std::shared_ptr<Stream>>& thread_captures();

// While it lives, this thread may allocate although it captures, on streams that are no part of the capture.
class AsideFromCapture {
 public:
  AsideFromCapture();
  ~AsideFromCapture();
  AsideFromCapture(const AsideFromCapture&) = delete;

 private:
  int mode_;
};

// Throws ERR_QKNORM_DEVICE unless both are of one device.
void same_device(const Device& a, const Device& b, const char* what);

}  // namespace qknorm::cuda
