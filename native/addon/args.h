// Argument checking that every binding shares. Each reader either returns a checked value or throws CodedError
// naming the argument; guarded<> turns that into a JavaScript error with a `code`. Node-API's C calls are used
// directly: a decode step makes hundreds of calls, and a wrapper object per argument would cost more than the work.
#pragma once

#include <napi.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "cpu/dtype.h"
#include "cpu/error.h"

namespace qknorm {

// The memory of a typed array; valid until control returns to JavaScript.
struct ArrayView {
  void* data = nullptr;
  std::size_t length = 0;  // elements
  napi_typedarray_type type{};

  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

class Args {
 public:
  static constexpr std::size_t kMax = 20;

  Args(napi_env env, napi_callback_info info);

  napi_env env() const { return env_; }
  std::size_t count() const { return count_; }
  bool is_missing(std::size_t i) const;  // undefined or null

  double number(std::size_t i, const char* name) const;                                   // finite
  std::size_t integer(std::size_t i, const char* name) const;                             // 0 to 2^53 - 1
  std::size_t integer(std::size_t i, const char* name, std::size_t lo, std::size_t hi) const;  // lo to hi, both included
  bool boolean(std::size_t i, const char* name) const;
  std::string string(std::size_t i, const char* name) const;
  Dtype dtype(std::size_t i, const char* name) const;  // its number

  ArrayView array(std::size_t i, const char* name) const;  // any typed array
  ArrayView array(std::size_t i, napi_typedarray_type type, const char* name) const;
  ArrayView array(std::size_t i, Dtype dtype, const char* name) const;  // Float32Array for f32, Uint16Array otherwise

 private:
  napi_env env_;
  std::size_t count_ = kMax;
  std::array<napi_value, kMax> values_;  // undefined from count_ on
};

// Throws for what checked_integer() refuses.
[[noreturn]] void refuse_integer(double value, const char* name, std::size_t lo, std::size_t hi);

inline constexpr std::size_t kMostInteger = (std::size_t(1) << 53) - 1;  // above, a double no longer says which

// A double that must be an integer from lo to hi; NaN, fractions and infinities are refused. A launch checks dozens.
inline std::size_t checked_integer(double value, const char* name, std::size_t lo = 0, std::size_t hi = kMostInteger) {
  if (value >= 0 && value <= static_cast<double>(kMostInteger)) [[likely]] {  // NaN fails the first comparison
    const auto integer = static_cast<std::int64_t>(value);
    const auto found = static_cast<std::size_t>(integer);
    if (static_cast<double>(integer) == value && found >= lo && found <= hi) [[likely]] return found;
  }
  refuse_integer(value, name, lo, hi);
}

// offset + length elements must lie inside an array of `size` elements; no sum here can wrap around.
void check_range(std::size_t offset, std::size_t length, std::size_t size, const char* name);

// The JavaScript name of an element type, for messages.
const char* array_name(napi_typedarray_type type);
napi_typedarray_type array_type(Dtype dtype);

// Throws the exception in flight as a JavaScript error with a `code`. Call it in a catch block.
void rethrow_to_javascript(napi_env env) noexcept;

// A binding function around body(args): no C++ exception ever reaches Node.
template <napi_value (*Body)(const Args&)>
napi_value guarded(napi_env env, napi_callback_info info) noexcept {
  try {
    return Body(Args(env, info));
  } catch (...) {
    rethrow_to_javascript(env);
    return nullptr;
  }
}

template <napi_value (*Body)(const Args&)>
void define_function(Napi::Object exports, const char* name) {
  napi_value function = nullptr;
  if (napi_create_function(exports.Env(), name, NAPI_AUTO_LENGTH, guarded<Body>, nullptr, &function) != napi_ok) {
    throw Napi::Error::New(exports.Env());
  }
  exports.Set(name, Napi::Value(exports.Env(), function));
}

}  // namespace qknorm
