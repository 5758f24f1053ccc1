// NVRTC: CUDA C++ text to a cubin, without a CUDA toolkit. Opened once per process; calls are thread-safe.
#pragma once

#include <string>
#include <vector>

#include "cuda/library.h"

namespace qknorm::cuda {

inline constexpr int kOldestNvrtc = 12;

struct NvrtcVersion {
  int major = 0, minor = 0;
};

struct Nvrtc {
  std::string path;
  NvrtcVersion version;
};

// Opens the library at `path`: an empty answer, or why it cannot be used. It may not be older than CUDA 12 nor, unless
// `newest` is 0, newer than CUDA `newest`: a driver does not load cubins of a later major version. The process keeps
// the first success, whatever is asked for later.
std::string open_nvrtc(const std::string& path, int newest);

// The library, or null before open_nvrtc().
const Nvrtc* opened_nvrtc();

// A cubin for the architecture that the options name. Throws ERR_NVRTC with the compiler's log.
std::string compile(const std::string& source, const std::string& name, const std::vector<std::string>& options);

}  // namespace qknorm::cuda
