#include "cpu/blas.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>

namespace qknorm {
namespace {

std::vector<std::string> candidates() {
  if (const char* path = std::getenv("QKNORM_OPENBLAS"); path != nullptr && *path != '\0') return {path};
  std::vector<std::string> paths;
#if defined(__APPLE__)
  for (const char* folder : {"", "/opt/homebrew/opt/openblas/lib/", "/usr/local/opt/openblas/lib/"}) {
    paths.push_back(std::string(folder) + "libopenblas.dylib");
    paths.push_back(std::string(folder) + "libopenblas.0.dylib");
  }
#else
  for (const char* name : {"libopenblas.so.0", "libopenblas.so", "libopenblasp-r0.so", "libopenblaso.so.0"}) {
    paths.push_back(name);
  }
  if (const char* conda = std::getenv("CONDA_PREFIX")) paths.push_back(std::string(conda) + "/lib/libopenblas.so.0");
  for (const char* folder :
       {"/usr/lib/x86_64-linux-gnu/openblas-pthread/", "/usr/lib/aarch64-linux-gnu/openblas-pthread/",
        "/usr/lib/openblas/", "/usr/lib64/", "/opt/OpenBLAS/lib/", "/usr/local/lib/"}) {
    paths.push_back(std::string(folder) + "libopenblas.so.0");
  }
#endif
  return paths;
}

template <typename Function>
Function symbol(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

// Empty if the library can be used.
std::string open_library(const std::string& path, Blas& found) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    return reason != nullptr ? reason : "cannot be opened";
  }
  const auto sgemm = symbol<Blas::Sgemm>(library, "cblas_sgemm");
  const auto set_threads = symbol<void (*)(int)>(library, "openblas_set_num_threads");
  const auto config = symbol<const char* (*)()>(library, "openblas_get_config");
  if (sgemm == nullptr || set_threads == nullptr || config == nullptr) return path + ": not an OpenBLAS with CBLAS";
  if (std::strstr(config(), "USE64BITINT") != nullptr) return path + ": built with 64-bit integers";
  // We call it from our own threads, on pieces whose size does not depend on their number: so neither do the bits.
  set_threads(1);
  found.sgemm = sgemm;
  found.library = path;
  return {};
}

Blas find_blas() {
  Blas found;
  const char* setting = std::getenv("QKNORM_BLAS");
  if (setting != nullptr && std::strcmp(setting, "off") == 0) {
    found.tried.push_back("none: QKNORM_BLAS=off");
    return found;
  }
  for (const std::string& path : candidates()) {
    const std::string failure = open_library(path, found);
    if (failure.empty()) break;
    found.tried.push_back(failure);
  }
  return found;
}

}  // namespace

const Blas& blas() {
  static const Blas* const found = new Blas(find_blas());  // the library stays open: its threads may be running
  return *found;
}

}  // namespace qknorm
