// The CUDA driver, opened once per process.
#pragma once

#include <string>

#include "cuda/driver_api.h"
#include "cuda/library.h"

namespace qknorm::cuda {

inline constexpr int kOldestDriver = 12000;  // CUDA 12.0: graphs by flags, PDL

struct Driver {
  DriverApi api;
  std::string path;
  int version = 0;  // 12040 is CUDA 12.4
  int devices = 0;
};

// Opens and initialises the driver at `path`; an empty answer, or why it cannot be used. A machine without a device is
// no failure: `devices` is 0. The process keeps the first success, whatever is asked for later.
std::string open_driver(const std::string& path);

// The driver, or null before open_driver().
const Driver* opened_driver();

// The function table; throws ERR_CUDA before open_driver().
const DriverApi& driver();

std::string name_of_status(Status status);
[[noreturn]] void throw_status(Status status, const char* api, const std::string& context);

// Throws ERR_CUDA unless the driver's function succeeded.
inline void check(Status status, const char* api, const char* context = "") {
  if (status != kSuccess) [[unlikely]] throw_status(status, api, context);
}

// The same; describe() is called only on failure.
template <typename Describe>
  requires requires(Describe describe) { std::string(describe()); }
void check(Status status, const char* api, const Describe& describe) {
  if (status != kSuccess) [[unlikely]] throw_status(status, api, describe());
}

}  // namespace qknorm::cuda
