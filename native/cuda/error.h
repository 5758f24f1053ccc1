// A failure of the driver or of NVRTC: which function, and what it returned.
#pragma once

#include <string>
#include <utility>

#include "cpu/error.h"

namespace qknorm::cuda {

inline constexpr const char* kErrCuda = "ERR_CUDA";
inline constexpr const char* kErrNvrtc = "ERR_NVRTC";

class CudaError : public CodedError {
 public:
  CudaError(const char* code, const std::string& message) : CodedError(code, message) {}
  // The function `api` returned `name`, as the library spells it.
  CudaError(const char* code, const std::string& message, const char* api, std::string name)
      : CodedError(code, message), api_(api), name_(std::move(name)) {}

  const std::string& api() const { return api_; }    // empty: the failure is not one call's
  const std::string& name() const { return name_; }  // "CUDA_ERROR_OUT_OF_MEMORY"

 private:
  std::string api_, name_;
};

}  // namespace qknorm::cuda
