#include "cuda/backlog.h"

namespace qknorm::cuda {
namespace {

constexpr unsigned kCallsBetween = 8;
constexpr std::chrono::microseconds kDeep{100};

}  // namespace

Backlog::~Backlog() {
  if (mark_ != nullptr) driver().event_destroy(mark_);
}

bool Backlog::is_deep(const Device& device, RawStream stream) {
  if (calls_.fetch_add(1, std::memory_order_relaxed) % kCallsBetween != 0) return deep_.load(std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  device.enter();
  const DriverApi& api = driver();
  const auto now = std::chrono::steady_clock::now();
  if (mark_ == nullptr) {
    check(api.event_create(&mark_, kEventNoTiming), "cuEventCreate");
  } else {
    const Status status = api.event_query(mark_);
    if (status == kNotReady) {
      deep_ = now - marked_ > kDeep;
      return deep_;
    }
    check(status, "cuEventQuery");
  }
  check(api.event_record(mark_, stream), "cuEventRecord");
  marked_ = now;
  deep_ = false;
  return false;
}

}  // namespace qknorm::cuda
