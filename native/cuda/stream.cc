#include "cuda/stream.h"

#include <algorithm>
#include <utility>

namespace qknorm::cuda {

void Capture::keep(std::shared_ptr<Memory> memory) {
  const std::lock_guard lock(mutex_);
  kept_.push_back(std::move(memory));
}

std::vector<std::shared_ptr<Memory>> Capture::take_kept() {
  const std::lock_guard lock(mutex_);
  std::sort(kept_.begin(), kept_.end());
  kept_.erase(std::unique(kept_.begin(), kept_.end()), kept_.end());
  return std::exchange(kept_, {});
}

std::atomic<int>& open_captures() {
  static std::atomic<int> count{0};
  return count;
}

std::vector<std::shared_ptr<Stream>>& thread_captures() {
  thread_local std::vector<std::shared_ptr<Stream>> streams;
  return streams;
}

AsideFromCapture::AsideFromCapture() : mode_(kCaptureRelaxed) {
  if (!thread_captures().empty()) check(driver().capture_mode(&mode_), "cuThreadExchangeStreamCaptureMode");
}

AsideFromCapture::~AsideFromCapture() {
  if (!thread_captures().empty()) driver().capture_mode(&mode_);
}

void same_device(const Device& a, const Device& b, const char* what) {
  if (&a == &b) return;
  throw CodedError("ERR_QKNORM_DEVICE", std::string(what) + " are of different devices: cuda:" +
                                            std::to_string(a.ordinal()) + " and cuda:" + std::to_string(b.ordinal()));
}

Stream::Stream(Device& device) : device_(device) {
  device_.enter();
  // Non-blocking: the legacy default stream, which others in the process may use, waits for nothing here.
  check(driver().stream_create(&raw_, kStreamNonBlocking), "cuStreamCreate");
}

Stream::~Stream() {
  try {
    device_.enter();
    driver().stream_destroy(raw_);  // what is queued still runs
  } catch (const std::exception&) {
    // The context is gone; so is the stream.
  }
}

std::shared_ptr<Capture> Stream::capture() const {
  if (open_captures().load(std::memory_order_acquire) == 0) return nullptr;
  const std::lock_guard lock(mutex_);
  if (capture_ != nullptr && !capture_->is_open()) capture_.reset();
  return capture_;
}

void Stream::join_capture(std::shared_ptr<Capture> capture) {
  const std::lock_guard lock(mutex_);
  capture_ = std::move(capture);
}

void Stream::refuse_capture(const char* what) const {
  if (capture() == nullptr) return;
  throw CudaError(kErrScope, std::string(what) + " cannot be part of a graph: the stream is being captured");
}

Event::Event(Device& device, bool timed) : device_(device) {
  device_.enter();
  check(driver().event_create(&raw_, timed ? 0 : kEventNoTiming),
        "cuEventCreate");
}

Event::~Event() {
  try {
    device_.enter();
    driver().event_destroy(raw_);
  } catch (const std::exception&) {
    // The context is gone; so is the event.
  }
}

void Event::record(Stream& stream) {
  same_device(device_, stream.device(), "the event and the stream");
  device_.enter();
  std::shared_ptr<Capture> capture = stream.capture();
  check(driver().event_record(raw_, stream.raw()), "cuEventRecord");
  const std::lock_guard lock(mutex_);
  capture_ = std::move(capture);
}

std::shared_ptr<Capture> Event::open_capture() const {
  const std::lock_guard lock(mutex_);
  return capture_ != nullptr && capture_->is_open() ? capture_ : nullptr;
}

void Event::wait_on(Stream& stream) {
  stream.device().enter();
  check(driver().stream_wait(stream.raw(), raw_, 0), "cuStreamWaitEvent");
  // This is how a second stream comes into a capture.
  if (auto capture = open_capture()) stream.join_capture(std::move(capture));
}

void Event::refuse_capture(const char* what) const {
  if (open_capture() == nullptr) return;
  throw CudaError(kErrScope, std::string(what) + ": the event was recorded in a capture, nothing has run yet");
}

bool Event::is_done() const {
  refuse_capture("the state of the event cannot be asked");
  device_.enter();
  const Status status = driver().event_query(raw_);
  if (status != kNotReady) check(status, "cuEventQuery");
  return status == kSuccess;
}

void Event::synchronize() const {
  refuse_capture("the event cannot be waited for");
  device_.enter();
  check(driver().event_synchronize(raw_), "cuEventSynchronize");
}

float elapsed(const Event& start, const Event& end) {
  same_device(start.device(), end.device(), "the events");
  start.device().enter();
  float milliseconds = 0;
  check(driver().event_elapsed(&milliseconds, start.raw(), end.raw()), "cuEventElapsedTime",
        "both events must be timed, recorded and done");
  return milliseconds;
}

}  // namespace qknorm::cuda
