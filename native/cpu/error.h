// The one exception of the kernels: a stable code for the caller's program, a sentence for its author.
#pragma once

#include <stdexcept>
#include <string>

namespace qknorm {

class CodedError : public std::runtime_error {
 public:
  CodedError(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  const char* code() const { return code_; }

 private:
  const char* code_;  // a string literal
};

inline constexpr const char* kErrShape = "ERR_QKNORM_SHAPE";
inline constexpr const char* kErrDtype = "ERR_QKNORM_DTYPE";
inline constexpr const char* kErrLayout = "ERR_QKNORM_LAYOUT";
inline constexpr const char* kErrOverlap = "ERR_QKNORM_OVERLAP";
inline constexpr const char* kErrArgument = "ERR_QKNORM_ARGUMENT";
inline constexpr const char* kErrNative = "ERR_NATIVE";

}  // namespace qknorm
