// cublasLtOpen(path, newest), cublasLtLibrary(), cudaProductPlan(device, shape), cudaProduct(plan, stream, operands).
// The shape: dtype, rows, outputs, inputs, strides of x, weight, added and out in elements, 1 for a bias, 1 for something
// added, alignment in bytes. The operands, x, weight, bias, added and out: memory (0: none), offset, length.
#include "addon/cuda_call.h"
#include "cuda/cublaslt.h"

namespace qknorm::cuda {
namespace {

constexpr std::size_t kShapeNumbers = 11, kOperands = 5, kOperandNumbers = 3;

napi_value open(const Args& args) {
  Napi::Env env(args.env());
  const std::string reason =
      open_cublaslt(args.string(0, "path"), static_cast<int>(args.integer(1, "newest", 0, 1000)));
  return reason.empty() ? Napi::Value(env.Null()) : Napi::String::New(env, reason);
}

napi_value opened(const Args& args) {
  Napi::Env env(args.env());
  const CublasLt* known = opened_cublaslt();
  if (known == nullptr) return env.Null();
  Napi::Object info = Napi::Object::New(env);
  info.Set("path", known->path);
  info.Set("version", std::to_string(known->major) + "." + std::to_string(known->minor));
  return info;
}

const double* numbers_at(const Args& args, std::size_t i, std::size_t count, const char* name) {
  const ArrayView array = args.array(i, napi_float64_array, name);
  if (array.length != count) {
    throw CodedError(kErrArgument, std::string(name) + " must have " + std::to_string(count) + " numbers");
  }
  return array.as<double>();
}

napi_value plan(const Args& args) {
  const double* numbers = numbers_at(args, 1, kShapeNumbers, "shape");
  constexpr std::size_t kMost = std::size_t(1) << 31;
  const auto number = [&](std::size_t i, const char* name, std::size_t lo, std::size_t hi) {
    return checked_integer(numbers[i], name, lo, hi);
  };
  ProductShape shape{};
  shape.dtype = static_cast<unsigned>(number(0, "dtype", 0, 2));
  shape.rows = number(1, "rows", 1, kMost);
  shape.outputs = number(2, "outputs", 1, kMost);
  shape.inputs = number(3, "inputs", 1, kMost);
  shape.x_stride = number(4, "xStride", shape.inputs, kMost * kMost / 1024);
  shape.weight_stride = number(5, "weightStride", shape.inputs, kMost * kMost / 1024);
  shape.adds = number(9, "adds", 0, 1) == 1;
  shape.added_stride = number(6, "addedStride", shape.adds ? shape.outputs : 0, kMost * kMost / 1024);
  shape.out_stride = number(7, "outStride", shape.outputs, kMost * kMost / 1024);
  shape.bias = number(8, "bias", 0, 1) == 1;
  shape.alignment = static_cast<unsigned>(number(10, "alignment", 2, 256));
  Device& device = Device::at(args.integer(0, "device", 0, 1023));
  return new_handle(args, std::make_shared<ProductPlan>(device, shape));
}

napi_value run(const Args& args) {
  const auto made = handle_at<ProductPlan>(args, 0, "plan");
  const auto stream = handle_at<Stream>(args, 1, "stream");
  const double* numbers = numbers_at(args, 2, kOperands * kOperandNumbers, "operands");
  ProductOperands operands{};
  Operand* const fields[kOperands] = {&operands.x, &operands.weight, &operands.bias, &operands.added, &operands.out};
  {
    const Handles<Memory>::Lookup memories(Handles<Memory>::table());
    for (std::size_t i = 0; i < kOperands; ++i, numbers += kOperandNumbers) {
      const Handle memory = checked_integer(numbers[0], "memory");
      if (memory != 0) fields[i]->memory = memories.get(memory, "memory");
      fields[i]->offset = checked_integer(numbers[1], "offset");
      fields[i]->length = checked_integer(numbers[2], "length");
    }
  }
  made->run(stream, operands);
  return nullptr;
}

}  // namespace

void register_products(Napi::Object exports) {
  define_cuda<open>(exports, "cublasLtOpen");
  define_cuda<opened>(exports, "cublasLtLibrary");
  define_cuda<plan>(exports, "cudaProductPlan");
  define_cuda<run>(exports, "cudaProduct");
}

}  // namespace qknorm::cuda
