// isLibraryLoaded(name), loadLibrary(path), cudaOpen(path), cudaDriver(), cudaDevice(ordinal), cudaUsage(ordinal),
// cudaSetBudget(ordinal, bytes), cudaFaults(ordinal).
#include "addon/cuda_call.h"
#include "cuda/device.h"
#include "cuda/faults.h"
#include "cuda/library.h"

namespace qknorm::cuda {
namespace {

napi_value loaded(const Args& args) { return Napi::Boolean::New(args.env(), is_loaded(args.string(0, "name"))); }

napi_value reason_or_null(const Args& args, const std::string& reason) {
  Napi::Env env(args.env());
  return reason.empty() ? Napi::Value(env.Null()) : Napi::String::New(env, reason);
}

napi_value load(const Args& args) { return reason_or_null(args, open_library(args.string(0, "path")).reason); }

napi_value open(const Args& args) { return reason_or_null(args, open_driver(args.string(0, "path"))); }

napi_value opened(const Args& args) {
  Napi::Env env(args.env());
  const Driver* known = opened_driver();
  if (known == nullptr) return env.Null();
  Napi::Object info = Napi::Object::New(env);
  info.Set("path", known->path);
  info.Set("version", known->version);
  info.Set("devices", known->devices);
  return info;
}

Device& device_at(const Args& args) { return Device::at(args.integer(0, "device", 0, 1023)); }

napi_value describe(const Args& args) {
  const Device& device = device_at(args);
  Napi::Object info = Napi::Object::New(args.env());
  info.Set("name", device.name());
  info.Set("capability", device.capability());
  info.Set("multiprocessors", device.attribute(DeviceAttribute::kMultiprocessors));
  info.Set("l2Bytes", device.attribute(DeviceAttribute::kL2Bytes));
  info.Set("sharedBytesPerBlock", device.attribute(DeviceAttribute::kSharedBytesPerBlock));
  info.Set("bytes", static_cast<double>(device.bytes()));
  info.Set("memoryPools", device.pool() != nullptr);
  return info;
}

napi_value usage(const Args& args) {
  const Device& device = device_at(args);
  Napi::Object info = Napi::Object::New(args.env());
  info.Set("liveBytes", static_cast<double>(device.live_bytes()));
  info.Set("budget", static_cast<double>(device.budget()));
  info.Set("freeBytes", static_cast<double>(device.free_bytes()));
  return info;
}

napi_value set_budget(const Args& args) {
  Device& device = device_at(args);
  device.set_budget(args.integer(1, "budget"));
  return nullptr;
}

napi_value faults(const Args& args) {
  return Napi::Number::New(args.env(), static_cast<double>(device_at(args).faults().address()));
}

}  // namespace

void register_devices(Napi::Object exports) {
  define_cuda<loaded>(exports, "isLibraryLoaded");
  define_cuda<load>(exports, "loadLibrary");
  define_cuda<open>(exports, "cudaOpen");
  define_cuda<opened>(exports, "cudaDriver");
  define_cuda<describe>(exports, "cudaDevice");
  define_cuda<usage>(exports, "cudaUsage");
  define_cuda<set_budget>(exports, "cudaSetBudget");
  define_cuda<faults>(exports, "cudaFaults");
}

}  // namespace qknorm::cuda
