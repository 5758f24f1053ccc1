// What the bindings of native/cuda share: handles in and out, and errors that carry what the driver said.
#pragma once

#include <memory>
#include <utility>

#include "addon/args.h"
#include "cuda/handles.h"

namespace qknorm::cuda {

// Throws the exception in flight as a JavaScript error with `code` and, of a driver's failure, `api` and `status`.
void rethrow_cuda(napi_env env) noexcept;

template <napi_value (*Body)(const Args&)>
napi_value guarded_cuda(napi_env env, napi_callback_info info) noexcept {
  try {
    return Body(Args(env, info));
  } catch (...) {
    rethrow_cuda(env);
    return nullptr;
  }
}

inline void define_raw(Napi::Object exports, const char* name, napi_callback callback) {
  napi_value function = nullptr;
  if (napi_create_function(exports.Env(), name, NAPI_AUTO_LENGTH, callback, nullptr, &function) != napi_ok) {
    throw Napi::Error::New(exports.Env());
  }
  exports.Set(name, Napi::Value(exports.Env(), function));
}

template <napi_value (*Body)(const Args&)>
void define_cuda(Napi::Object exports, const char* name) {
  define_raw(exports, name, guarded_cuda<Body>);
}

// Argument i as a handle of T; throws ERR_QKNORM_ARGUMENT.
template <typename T>
std::shared_ptr<T> handle_at(const Args& args, std::size_t i, const char* name) {
  return Handles<T>::table().get(args.integer(i, name), name);
}

// A new number for `thing`, which the environment of the call owns.
template <typename T>
napi_value new_handle(const Args& args, std::shared_ptr<T> thing) {
  const Handle handle = Handles<T>::table().add(std::move(thing), args.env());
  return Napi::Number::New(args.env(), static_cast<double>(handle));
}

// Forgets the launches that this thread has prepared, and the compilations that wait for their turn.
void drop_launches();
void drop_compilations();

// One for each addon/cuda_*.cc.
void register_devices(Napi::Object exports);
void register_graphs(Napi::Object exports);
void register_kernels(Napi::Object exports);
void register_launches(Napi::Object exports);
void register_memory(Napi::Object exports);
void register_nvrtc(Napi::Object exports);
void register_products(Napi::Object exports);
void register_streams(Napi::Object exports);

}  // namespace qknorm::cuda
