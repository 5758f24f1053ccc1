// cudaModule(device, image), cudaKernel(module, name, layout, waits), cudaKernelInfo(kernel),
// cudaOccupancy(kernel, threads, sharedBytes).
#include "addon/cuda_call.h"
#include "cuda/launch.h"

namespace qknorm::cuda {
namespace {

napi_value load_module(const Args& args) {
  Device& device = Device::at(args.integer(0, "device", 0, 1023));
  const ArrayView image = args.array(1, napi_uint8_array, "image");
  return new_handle(args, std::make_shared<Module>(device, image.data, image.length));
}

// [bytes, offset of parameter 0, offset of parameter 1, ...], ascending.
ParameterLayout layout_at(const Args& args, std::size_t i) {
  const ArrayView array = args.array(i, napi_float64_array, "layout");
  if (array.length == 0) throw CodedError(kErrArgument, "layout is empty");
  const double* numbers = array.as<const double>();
  ParameterLayout layout;
  layout.bytes = checked_integer(numbers[0], "layout's length", 0, kMostArgumentBytes);
  for (std::size_t k = 1; k < array.length; ++k) {
    const std::size_t least = layout.offsets.empty() ? 0 : layout.offsets.back() + 1;
    if (layout.bytes <= least) throw CodedError(kErrArgument, "layout has more parameters than bytes");
    layout.offsets.push_back(checked_integer(numbers[k], "a parameter's offset", least, layout.bytes - 1));
  }
  if (layout.offsets.empty() != (layout.bytes == 0)) throw CodedError(kErrArgument, "layout has bytes of no parameter");
  return layout;
}

napi_value find_kernel(const Args& args) {
  auto module = handle_at<Module>(args, 0, "module");
  const std::string name = args.string(1, "name");
  ParameterLayout layout = layout_at(args, 2);
  return new_handle(args, std::make_shared<Function>(std::move(module), name, std::move(layout), args.boolean(3, "waits")));
}

napi_value describe(const Args& args) {
  const auto kernel = handle_at<Function>(args, 0, "kernel");
  Napi::Object info = Napi::Object::New(args.env());
  info.Set("name", kernel->name());
  info.Set("compiledFor", kernel->compiled_for());
  info.Set("launchesEarly", kernel->launches_early());
  info.Set("maxThreads", static_cast<double>(kernel->max_threads()));
  info.Set("registers", kernel->attribute(FunctionAttribute::kRegisters));
  info.Set("localBytes", kernel->attribute(FunctionAttribute::kLocalBytes));
  return info;
}

napi_value occupancy(const Args& args) {
  const auto kernel = handle_at<Function>(args, 0, "kernel");
  const std::size_t threads = args.integer(1, "threads", 1, kernel->max_threads());
  const std::size_t shared = args.integer(2, "sharedBytes", 0, kernel->most_shared_bytes());
  return Napi::Number::New(args.env(), kernel->occupancy(threads, shared));
}

}  // namespace

void register_kernels(Napi::Object exports) {
  define_cuda<load_module>(exports, "cudaModule");
  define_cuda<find_kernel>(exports, "cudaKernel");
  define_cuda<describe>(exports, "cudaKernelInfo");
  define_cuda<occupancy>(exports, "cudaOccupancy");
}

}  // namespace qknorm::cuda
