#include "addon/args.h"

#include <cmath>
#include <exception>
#include <new>

namespace qknorm {
namespace {

constexpr napi_typedarray_type kUnknownType = static_cast<napi_typedarray_type>(-1);

const char* kind_of(napi_env env, napi_value value) {
  bool is_array = false;
  if (napi_is_typedarray(env, value, &is_array) == napi_ok && is_array) return "a typed array";
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  switch (type) {
    case napi_undefined: return "undefined";
    case napi_null: return "null";
    case napi_boolean: return "a boolean";
    case napi_number: return "a number";
    case napi_string: return "a string";
    case napi_symbol: return "a symbol";
    case napi_function: return "a function";
    case napi_bigint: return "a bigint";
    default: return "an object";
  }
}

[[noreturn]] void wrong_kind(napi_env env, napi_value value, const char* name, const char* wanted) {
  throw CodedError(kErrArgument, std::string(name) + " must be " + wanted + ", got " + kind_of(env, value));
}

std::string show(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

bool is_detached(napi_env env, napi_value array) {
  napi_value buffer = nullptr;
  bool detached = false;
  return napi_get_typedarray_info(env, array, nullptr, nullptr, nullptr, &buffer, nullptr) == napi_ok &&
         napi_is_detached_arraybuffer(env, buffer, &detached) == napi_ok && detached;
}

// Not Error::ThrowAsJavaScriptException(), which throws again where JavaScript takes no exception: one is pending, or the
// worker is being ended.
void pass_on(napi_env env, const Napi::Error& error) noexcept {
  try {
    napi_throw(env, error.Value());
  } catch (const Napi::Error&) {
    // Even the error cannot be read any more, so nobody is left to be told.
  }
}

}  // namespace

Args::Args(napi_env env, napi_callback_info info) : env_(env) {
  if (napi_get_cb_info(env, info, &count_, values_.data(), nullptr, nullptr) != napi_ok) {
    throw CodedError(kErrNative, "the arguments of the call cannot be read");
  }
  if (count_ > kMax) count_ = kMax;
}

bool Args::is_missing(std::size_t i) const {
  napi_valuetype type = napi_undefined;
  napi_typeof(env_, values_[i], &type);
  return type == napi_undefined || type == napi_null;
}

double Args::number(std::size_t i, const char* name) const {
  double value = 0;
  if (napi_get_value_double(env_, values_[i], &value) != napi_ok) wrong_kind(env_, values_[i], name, "a number");
  if (!std::isfinite(value)) throw CodedError(kErrArgument, std::string(name) + " must be finite, got " + show(value));
  return value;
}

std::size_t Args::integer(std::size_t i, const char* name) const {
  return integer(i, name, 0, (std::size_t(1) << 53) - 1);
}

std::size_t Args::integer(std::size_t i, const char* name, std::size_t lo, std::size_t hi) const {
  double value = 0;
  if (napi_get_value_double(env_, values_[i], &value) != napi_ok) wrong_kind(env_, values_[i], name, "a number");
  return checked_integer(value, name, lo, hi);
}

bool Args::boolean(std::size_t i, const char* name) const {
  bool value = false;
  if (napi_get_value_bool(env_, values_[i], &value) != napi_ok) wrong_kind(env_, values_[i], name, "a boolean");
  return value;
}

std::string Args::string(std::size_t i, const char* name) const {
  std::size_t length = 0;
  if (napi_get_value_string_utf8(env_, values_[i], nullptr, 0, &length) != napi_ok) {
    wrong_kind(env_, values_[i], name, "a string");
  }
  std::string text(length, '\0');
  napi_get_value_string_utf8(env_, values_[i], text.data(), length + 1, &length);
  return text;
}

Dtype Args::dtype(std::size_t i, const char* name) const {
  return static_cast<Dtype>(integer(i, name, 0, kDtypes - 1));
}

ArrayView Args::array(std::size_t i, const char* name) const {
  ArrayView view;
  view.type = kUnknownType;  // an element type newer than this Node-API leaves it unset
  if (napi_get_typedarray_info(env_, values_[i], &view.type, &view.length, &view.data, nullptr, nullptr) != napi_ok) {
    wrong_kind(env_, values_[i], name, "a typed array");
  }
  if (view.length == 0 && is_detached(env_, values_[i])) {
    throw CodedError(kErrLayout, std::string(name) + " is detached: its memory was transferred elsewhere");
  }
  return view;
}

ArrayView Args::array(std::size_t i, napi_typedarray_type type, const char* name) const {
  const ArrayView view = array(i, name);
  if (view.type != type) {
    throw CodedError(kErrDtype, std::string(name) + " must be " + array_name(type) + ", got " + array_name(view.type));
  }
  return view;
}

ArrayView Args::array(std::size_t i, Dtype dtype, const char* name) const { return array(i, array_type(dtype), name); }

void refuse_integer(double value, const char* name, std::size_t lo, std::size_t hi) {
  const bool integral = value >= 0 && value <= static_cast<double>(kMostInteger) && value == std::trunc(value);
  throw CodedError(kErrArgument, std::string(name) + (integral ? " must be from " : " must be an integer from ") +
                                     std::to_string(lo) + " to " + std::to_string(hi) + ", got " + show(value));
}

void check_range(std::size_t offset, std::size_t length, std::size_t size, const char* name) {
  if (offset > size || length > size - offset) {
    throw CodedError(kErrLayout, std::string(name) + " needs " + std::to_string(length) + " elements from offset " +
                                     std::to_string(offset) + ", but its array has " + std::to_string(size));
  }
}

const char* array_name(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array: return "Int8Array";
    case napi_uint8_array: return "Uint8Array";
    case napi_uint8_clamped_array: return "Uint8ClampedArray";
    case napi_int16_array: return "Int16Array";
    case napi_uint16_array: return "Uint16Array";
    case napi_int32_array: return "Int32Array";
    case napi_uint32_array: return "Uint32Array";
    case napi_float32_array: return "Float32Array";
    case napi_float64_array: return "Float64Array";
    case napi_bigint64_array: return "BigInt64Array";
    case napi_biguint64_array: return "BigUint64Array";
    default: return "another typed array";
  }
}

napi_typedarray_type array_type(Dtype dtype) {
  return dtype == Dtype::kF32 ? napi_float32_array : napi_uint16_array;
}

void rethrow_to_javascript(napi_env env) noexcept {
  try {
    throw;
  } catch (const CodedError& error) {
    napi_throw_error(env, error.code(), error.what());
  } catch (const Napi::Error& error) {
    pass_on(env, error);
  } catch (const std::bad_alloc&) {
    napi_throw_error(env, kErrNative, "out of memory");
  } catch (const std::exception& error) {
    napi_throw_error(env, kErrNative, error.what());
  } catch (...) {
    napi_throw_error(env, kErrNative, "an unknown failure in the native addon");
  }
}

}  // namespace qknorm
