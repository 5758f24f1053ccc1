#include "cuda/nvrtc.h"

#include <atomic>
#include <memory>
#include <mutex>

namespace qknorm::cuda {
namespace {

using Program = struct OpaqueProgram*;
using Result = int;

struct Api {
  Result (*version)(int* major, int* minor) = nullptr;
  const char* (*error_text)(Result result) = nullptr;
  Result (*create)(Program* program, const char* source, const char* name, int headers, const char* const* texts,
                   const char* const* names) = nullptr;
  Result (*destroy)(Program* program) = nullptr;
  Result (*compile)(Program program, int count, const char* const* options) = nullptr;
  Result (*cubin_bytes)(Program program, std::size_t* bytes) = nullptr;
  Result (*cubin)(Program program, char* cubin) = nullptr;
  Result (*log_bytes)(Program program, std::size_t* bytes) = nullptr;
  Result (*log)(Program program, char* log) = nullptr;
};

struct Opened : Nvrtc {
  Api api;
};

std::atomic<const Opened*> current{nullptr};

std::string accept(void* library, int newest, Opened& found) {
  Api& api = found.api;
  const bool complete =
      find_symbol(library, "nvrtcVersion", api.version) && find_symbol(library, "nvrtcGetErrorString", api.error_text) &&
      find_symbol(library, "nvrtcCreateProgram", api.create) &&
      find_symbol(library, "nvrtcDestroyProgram", api.destroy) &&
      find_symbol(library, "nvrtcCompileProgram", api.compile) &&
      find_symbol(library, "nvrtcGetCUBINSize", api.cubin_bytes) && find_symbol(library, "nvrtcGetCUBIN", api.cubin) &&
      find_symbol(library, "nvrtcGetProgramLogSize", api.log_bytes) &&
      find_symbol(library, "nvrtcGetProgramLog", api.log);
  if (!complete) return "not an NVRTC that makes cubins";
  NvrtcVersion& version = found.version;
  if (const Result result = api.version(&version.major, &version.minor); result != 0) {
    return std::string("nvrtcVersion failed: ") + api.error_text(result);
  }
  const std::string own = "it is of CUDA " + std::to_string(version.major) + "." + std::to_string(version.minor);
  if (version.major < kOldestNvrtc) return own + ", and this package needs " + std::to_string(kOldestNvrtc);
  if (newest != 0 && version.major > newest) {
    return own + ", and the driver runs no cubins later than CUDA " + std::to_string(newest);
  }
  return {};
}

class ProgramScope {
 public:
  explicit ProgramScope(const Api& api) : api_(api) {}
  ~ProgramScope() {
    if (program != nullptr) api_.destroy(&program);
  }
  ProgramScope(const ProgramScope&) = delete;
  Program program = nullptr;

 private:
  const Api& api_;
};

std::string log_of(const Api& api, Program program) {
  std::size_t bytes = 0;
  if (api.log_bytes(program, &bytes) != 0 || bytes <= 1) return {};
  std::string log(bytes, '\0');
  if (api.log(program, log.data()) != 0) return {};
  log.resize(bytes - 1);
  return log;
}

void check_result(const Api& api, Result result, const char* function, const std::string& name,
                  const std::string& log = {}) {
  if (result == 0) return;
  const std::string text = api.error_text(result);
  throw CudaError(kErrNvrtc, std::string(function) + " failed: " + text + "; kernel " + name +
                                 (log.empty() ? "" : "\n" + log),
                  function, text);
}

}  // namespace

std::string open_nvrtc(const std::string& path, int newest) {
  static std::mutex& mutex = *new std::mutex;
  const std::lock_guard lock(mutex);
  if (current.load() != nullptr) return {};
  const Library library = open_library(path);
  if (library.handle == nullptr) return library.reason;
  auto found = std::make_unique<Opened>();
  if (std::string reason = accept(library.handle, newest, *found); !reason.empty()) return reason;
  found->path = library.path;
  keep_addon_loaded();
  current.store(found.release());
  return {};
}

const Nvrtc* opened_nvrtc() { return current.load(std::memory_order_acquire); }

std::string compile(const std::string& source, const std::string& name, const std::vector<std::string>& options) {
  const Opened* opened = current.load(std::memory_order_acquire);
  if (opened == nullptr) throw CudaError(kErrNvrtc, "NVRTC has not been opened");
  const Api& api = opened->api;
  ProgramScope scope(api);
  check_result(api, api.create(&scope.program, source.c_str(), name.c_str(), 0, nullptr, nullptr), "nvrtcCreateProgram",
               name);
  std::vector<const char*> texts;
  for (const std::string& option : options) texts.push_back(option.c_str());
  const Result result = api.compile(scope.program, static_cast<int>(texts.size()), texts.data());
  if (result != 0) check_result(api, result, "nvrtcCompileProgram", name, log_of(api, scope.program));
  std::size_t bytes = 0;
  check_result(api, api.cubin_bytes(scope.program, &bytes), "nvrtcGetCUBINSize", name);
  // A virtual architecture (compute_90) gives PTX and no cubin.
  if (bytes == 0) throw CudaError(kErrNvrtc, "NVRTC made no cubin of kernel " + name + ": name an sm_ architecture");
  std::string cubin(bytes, '\0');
  check_result(api, api.cubin(scope.program, cubin.data()), "nvrtcGetCUBIN", name);
  return cubin;
}

}  // namespace qknorm::cuda
