#include "cuda/device.h"

#include <cstdint>
#include <vector>

#include "cuda/faults.h"
#include "cuda/staging.h"

namespace qknorm::cuda {
namespace {

// What this thread's context was last set to. Nothing else in the process is expected to change it.
thread_local RawContext entered = nullptr;

inline constexpr const char* kErrDevice = "ERR_QKNORM_DEVICE";

}  // namespace

Device& Device::at(std::size_t ordinal) {
  static std::mutex& mutex = *new std::mutex;
  static auto& devices = *new std::vector<std::unique_ptr<Device>>;
  driver();
  const Driver& opened = *opened_driver();
  const std::lock_guard lock(mutex);
  devices.resize(static_cast<std::size_t>(opened.devices));
  if (ordinal >= devices.size()) {
    throw CodedError(kErrDevice, "there is no cuda:" + std::to_string(ordinal) + "; the driver shows " +
                                     std::to_string(devices.size()) + " devices");
  }
  // A failure leaves the place empty: the next call tries again.
  if (devices[ordinal] == nullptr) devices[ordinal] = std::unique_ptr<Device>(new Device(ordinal));
  return *devices[ordinal];
}

Device::Device(std::size_t ordinal) : ordinal_(ordinal), faults_(std::make_unique<Faults>(*this)) {
  const DriverApi& api = driver();
  check(api.device_get(&raw_, static_cast<int>(ordinal)), "cuDeviceGet");
  char name[256] = {};
  check(api.device_name(name, sizeof(name) - 1, raw_), "cuDeviceGetName");
  name_ = name;
  check(api.device_bytes(&bytes_, raw_), "cuDeviceTotalMem");
  capability_ =
      10 * attribute(DeviceAttribute::kCapabilityMajor) + attribute(DeviceAttribute::kCapabilityMinor);
  check(api.context_retain(&context_, raw_), "cuDevicePrimaryCtxRetain", name);
  enter();
  if (attribute(DeviceAttribute::kMemoryPools) == 0) return;
  check(api.default_pool(&pool_, raw_), "cuDeviceGetDefaultMemPool");
  // Freed memory stays in the pool, or every synchronisation would give it back to the system.
  std::uint64_t threshold = UINT64_MAX;
  check(api.pool_set(pool_, kPoolReleaseThreshold, &threshold), "cuMemPoolSetAttribute");
}

Device::~Device() = default;

void Device::enter() const {
  if (entered == context_) return;
  check(driver().context_set(context_), "cuCtxSetCurrent");
  entered = context_;
}

int Device::attribute(DeviceAttribute attribute) const {
  int value = 0;
  check(driver().device_attribute(&value, attribute, raw_), "cuDeviceGetAttribute");
  return value;
}

Staging& Device::staging() {
  const std::lock_guard lock(mutex_);
  if (staging_ == nullptr) staging_ = std::make_unique<Staging>(*this);
  return *staging_;
}

std::size_t Device::free_bytes() const {
  const DriverApi& api = driver();
  enter();
  std::size_t free = 0, total = 0;
  check(api.memory_info(&free, &total), "cuMemGetInfo");
  if (pool_ == nullptr) return free;
  std::uint64_t reserved = 0, used = 0;
  check(api.pool_get(pool_, kPoolReserved, &reserved), "cuMemPoolGetAttribute");
  check(api.pool_get(pool_, kPoolUsed, &used), "cuMemPoolGetAttribute");
  return free + (reserved > used ? reserved - used : 0);
}

void Device::reserve(std::size_t bytes) {
  const std::size_t budget = budget_.load();
  std::size_t live = live_bytes_.load();
  do {
    if (budget != 0 && (bytes > budget || live > budget - bytes)) {
      throw CudaError(kErrCuda, std::to_string(bytes) + " more bytes on cuda:" + std::to_string(ordinal_) +
                                    " do not fit: " + std::to_string(live) + " of the budget of " +
                                    std::to_string(budget) + " are in use");
    }
  } while (!live_bytes_.compare_exchange_weak(live, live + bytes));
}

RawStream Device::side_stream() {
  const std::lock_guard lock(mutex_);
  if (side_stream_ == nullptr) {
    enter();
    check(driver().stream_create(&side_stream_, kStreamNonBlocking), "cuStreamCreate");
  }
  return side_stream_;
}

}  // namespace qknorm::cuda
