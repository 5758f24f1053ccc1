#include "cuda/driver.h"

#include <atomic>
#include <memory>
#include <mutex>

namespace qknorm::cuda {
namespace {

std::atomic<const Driver*> current{nullptr};

std::string dotted(int version) { return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10); }

std::string text_of(const DriverApi& api, Status status) {
  const char* name = nullptr;
  if (api.error_name != nullptr && api.error_name(status, &name) == kSuccess && name != nullptr) return name;
  return "error " + std::to_string(status);
}

// Empty if the library is a driver that can be used, with or without a device.
std::string accept(void* library, Driver& found) {
  DriverApi& api = found.api;
  int version = 0;
  if (!find_symbol(library, "cuDriverGetVersion", api.driver_version)) return "not a CUDA driver";
  if (api.driver_version(&version) == kSuccess && version != 0 && version < kOldestDriver) {
    return "too old: it runs CUDA " + dotted(version) + " and this package needs " + dotted(kOldestDriver) +
           " (NVIDIA driver 525 or newer)";
  }
#define QKNORM_FIND(member, name, parameters) \
  if (!find_symbol(library, #name, api.member)) return "it has no " #name;
  QKNORM_DRIVER_FUNCTIONS(QKNORM_FIND)
#undef QKNORM_FIND
#define QKNORM_FIND(member, name, parameters) find_symbol(library, #name, api.member);
  QKNORM_NEWER_DRIVER_FUNCTIONS(QKNORM_FIND)
#undef QKNORM_FIND
  Status status = api.init(0);
  if (status == kStubLibrary) return "a stub for linking, not a driver";
  if (status == kSuccess) status = api.device_count(&found.devices);
  if (status == kNoDevice) {
    found.devices = 0;
  } else if (status != kSuccess) {
    return "cuInit failed: " + text_of(api, status);
  }
  found.version = version;
  return {};
}

}  // namespace

std::string open_driver(const std::string& path) {
  static std::mutex& mutex = *new std::mutex;
  const std::lock_guard lock(mutex);
  if (current.load() != nullptr) return {};
  const Library library = open_library(path);
  if (library.handle == nullptr) return library.reason;
  auto found = std::make_unique<Driver>();
  if (std::string reason = accept(library.handle, *found); !reason.empty()) return reason;
  found->path = library.path;
  keep_addon_loaded();
  current.store(found.release());
  return {};
}

const Driver* opened_driver() { return current.load(std::memory_order_acquire); }

const DriverApi& driver() {
  const Driver* known = opened_driver();
  if (known == nullptr) throw CudaError(kErrCuda, "the CUDA driver has not been opened");
  return known->api;
}

std::string name_of_status(Status status) {
  const Driver* known = opened_driver();
  return text_of(known != nullptr ? known->api : DriverApi{}, status);
}

void throw_status(Status status, const char* api, const std::string& context) {
  const std::string name = name_of_status(status);
  std::string message = std::string(api) + " failed: " + name;
  const char* text = nullptr;
  const Driver* known = opened_driver();
  if (known != nullptr && known->api.error_text(status, &text) == kSuccess && text != nullptr) {
    message += std::string(" (") + text + ")";
  }
  if (!context.empty()) message += "; " + context;
  throw CudaError(kErrCuda, message, api, name);
}

}  // namespace qknorm::cuda
