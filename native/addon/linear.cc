// linear(params, x, weight, bias, out), blasInfo(), threadCount(), setThreadCount(count).
#include "cpu/linear.h"

#include "addon/bindings.h"
#include "addon/params.h"
#include "cpu/blas.h"
#include "cpu/thread_pool.h"

namespace qknorm {
namespace {

napi_value run(const Args& args) {
  Params params(args, 0, 16);
  Linear call{};
  call.rows = params.integer("rows");
  call.in = params.integer("inFeatures");
  call.out = params.integer("outFeatures");
  call.x_dtype = params.dtype("x dtype");
  const Place x_place{params.integer("x offset"), params.integer("x row stride")};
  call.weight_dtype = params.dtype("weight dtype");
  const Place weight_place{params.integer("weight offset"), params.integer("weight row stride")};
  call.bias_dtype = params.dtype("bias dtype");
  const Place bias_place{params.integer("bias offset")};
  call.y_dtype = params.dtype("out dtype");
  const Place y_place{params.integer("out offset"), params.integer("out row stride")};
  const auto engine = params.choice("engine", LinearEngine::kBlas);
  const Isa isa = params.isa();

  if (call.y_dtype != call.x_dtype && call.y_dtype != Dtype::kF32) {
    throw CodedError(kErrDtype, "out must have the dtype of x, or f32");
  }
  const ArrayView x_array = args.array(1, call.x_dtype, "x");
  const ArrayView weight_array = args.array(2, call.weight_dtype, "weight");
  const bool biased = !args.is_missing(3);
  const ArrayView bias_array = biased ? args.array(3, call.bias_dtype, "bias") : ArrayView{};
  const ArrayView y_array = args.array(4, call.y_dtype, "out");
  if (call.rows == 0 || call.out == 0) return nullptr;

  const StridedRows x = rows_in(x_array, call.x_dtype, x_place, call.rows, 1, call.in, "x");
  const StridedRows weight = rows_in(weight_array, call.weight_dtype, weight_place, call.out, 1, call.in, "weight");
  const StridedRows y = rows_in(y_array, call.y_dtype, y_place, call.rows, 1, call.out, "out");
  refuse_overlap(y, "out", x, "x");
  refuse_overlap(y, "out", weight, "weight");
  call.x = memory_of(x);
  call.x_stride = x_place.token_stride;
  call.weight = memory_of(weight);
  call.weight_stride = weight_place.token_stride;
  call.y = memory_of(y);
  call.y_stride = y_place.token_stride;
  if (biased) {
    const StridedRows bias = rows_in(bias_array, call.bias_dtype, bias_place, 1, 1, call.out, "bias");
    refuse_overlap(y, "out", bias, "bias");
    call.bias = memory_of(bias);
  }
  linear(call, isa, engine);
  return nullptr;
}

napi_value blas_info(const Args& args) {
  const Blas& found = blas();
  Napi::Env env(args.env());
  Napi::Object info = Napi::Object::New(env);
  info.Set("library", found.sgemm != nullptr ? Napi::Value(Napi::String::New(env, found.library)) : env.Null());
  Napi::Array tried = Napi::Array::New(env);
  for (const std::string& path : found.tried) tried.Set(tried.Length(), Napi::String::New(env, path));
  info.Set("tried", tried);
  return info;
}

napi_value threads(const Args& args) { return Napi::Number::New(args.env(), static_cast<double>(thread_count())); }

napi_value set_threads(const Args& args) {
  set_thread_count(args.integer(0, "count", 0, kMaxThreads));
  return nullptr;
}

}  // namespace

void register_linear(Napi::Object exports) {
  define_function<run>(exports, "linear");
  define_function<blas_info>(exports, "blasInfo");
  define_function<threads>(exports, "threadCount");
  define_function<set_threads>(exports, "setThreadCount");
}

}  // namespace qknorm
