#include "cuda/cublaslt.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>

#include "cpu/dtype.h"
#include "cuda/workspace.h"

namespace qknorm::cuda {
namespace {

using Result = int;
using LtHandle = struct OpaqueLt*;
using LtOperation = struct OpaqueLtOperation*;
using LtLayout = struct OpaqueLtLayout*;
using LtPreference = struct OpaqueLtPreference*;

struct Algorithm {
  std::uint64_t data[8];
};

struct Heuristic {
  Algorithm algorithm;
  std::size_t workspace_bytes;
  Result state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(Heuristic) == 96, "as cublasLt.h has it");

// Numbers of cublasLt.h and library_types.h.
constexpr int kCompute32F = 68;
constexpr int kTypeF32 = 0, kTypeF16 = 2, kTypeBf16 = 14;
constexpr int kTransposeA = 3, kEpilogue = 7, kBiasPointer = 8;
constexpr int kTransposed = 1;
constexpr std::uint32_t kEpilogueBias = 4;
constexpr int kWorkspaceBytes = 1, kReductions = 3, kAlignmentA = 5, kAlignmentD = 8;
// Parts of a sum over K are kept in f32: the other schemes keep them in the dtype of the result.
constexpr std::uint32_t kReductionInComputeType = 2;

struct Api {
  std::size_t (*version)() = nullptr;
  const char* (*status_name)(Result result) = nullptr;
  Result (*create)(LtHandle* handle) = nullptr;
  Result (*operation_create)(LtOperation* operation, int compute, int scale) = nullptr;
  Result (*operation_destroy)(LtOperation operation) = nullptr;
  Result (*operation_set)(LtOperation operation, int attribute, const void* value, std::size_t bytes) = nullptr;
  Result (*layout_create)(LtLayout* layout, int type, std::uint64_t rows, std::uint64_t columns,
                          std::int64_t stride) = nullptr;
  Result (*layout_destroy)(LtLayout layout) = nullptr;
  Result (*preference_create)(LtPreference* preference) = nullptr;
  Result (*preference_destroy)(LtPreference preference) = nullptr;
  Result (*preference_set)(LtPreference preference, int attribute, const void* value, std::size_t bytes) = nullptr;
  Result (*heuristic)(LtHandle handle, LtOperation operation, LtLayout a, LtLayout b, LtLayout c, LtLayout d,
                      LtPreference preference, int asked, Heuristic* found, int* count) = nullptr;
  Result (*multiply)(LtHandle handle, LtOperation operation, const void* alpha, Address a, LtLayout a_layout, Address b,
                     LtLayout b_layout, const void* beta, Address c, LtLayout c_layout, Address d, LtLayout d_layout,
                     const Algorithm* algorithm, Address workspace, std::size_t workspace_bytes,
                     RawStream stream) = nullptr;
};

struct Opened : CublasLt {
  Api api;
};

std::atomic<const Opened*> current{nullptr};

std::string accept(void* library, int newest, Opened& found) {
  Api& api = found.api;
  const bool complete = find_symbol(library, "cublasLtGetVersion", api.version) &&
                        find_symbol(library, "cublasLtGetStatusName", api.status_name) &&
                        find_symbol(library, "cublasLtCreate", api.create) &&
                        find_symbol(library, "cublasLtMatmulDescCreate", api.operation_create) &&
                        find_symbol(library, "cublasLtMatmulDescDestroy", api.operation_destroy) &&
                        find_symbol(library, "cublasLtMatmulDescSetAttribute", api.operation_set) &&
                        find_symbol(library, "cublasLtMatrixLayoutCreate", api.layout_create) &&
                        find_symbol(library, "cublasLtMatrixLayoutDestroy", api.layout_destroy) &&
                        find_symbol(library, "cublasLtMatmulPreferenceCreate", api.preference_create) &&
                        find_symbol(library, "cublasLtMatmulPreferenceDestroy", api.preference_destroy) &&
                        find_symbol(library, "cublasLtMatmulPreferenceSetAttribute", api.preference_set) &&
                        find_symbol(library, "cublasLtMatmulAlgoGetHeuristic", api.heuristic) &&
                        find_symbol(library, "cublasLtMatmul", api.multiply);
  if (!complete) return "not a cuBLASLt";
  const std::size_t version = api.version();
  found.major = static_cast<int>(version / 10000);
  found.minor = static_cast<int>(version / 100 % 100);
  const std::string own = "it is of CUDA " + std::to_string(found.major);
  if (found.major < kOldestCublasLt) return own + ", and this package needs " + std::to_string(kOldestCublasLt);
  if (newest != 0 && found.major > newest) return own + ", and the driver runs nothing later than " + std::to_string(newest);
  return {};
}

const Api& library() {
  const Opened* opened = current.load(std::memory_order_acquire);
  if (opened == nullptr) throw CudaError(kErrCuda, "cuBLASLt has not been opened");
  return opened->api;
}

void check_result(Result result, const char* function, const std::string& what = {}) {
  if (result == 0) return;
  const std::string name = library().status_name(result);
  throw CudaError(kErrCuda, std::string(function) + " failed: " + name + (what.empty() ? "" : "; " + what), function, name);
}

// One for each device, kept to the end of the process; the library locks it by itself.
LtHandle handle_of(const Device& device) {
  static std::mutex& mutex = *new std::mutex;
  static auto& handles = *new std::map<std::size_t, LtHandle>;
  const std::lock_guard lock(mutex);
  LtHandle& handle = handles[device.ordinal()];
  if (handle == nullptr) check_result(library().create(&handle), "cublasLtCreate", device.name());
  return handle;
}

int type_of(unsigned dtype) {
  switch (static_cast<Dtype>(dtype)) {
    case Dtype::kF32: return kTypeF32;
    case Dtype::kBf16: return kTypeBf16;
    case Dtype::kF16: return kTypeF16;
  }
  throw CodedError(kErrDtype, "a product has f32, bf16 or f16");
}

std::string describe(const ProductShape& shape) {
  return std::to_string(shape.rows) + " x " + std::to_string(shape.inputs) + " by " + std::to_string(shape.outputs) +
         (shape.bias ? ", bias" : "") + (shape.adds ? ", added" : "");
}

}  // namespace

std::string open_cublaslt(const std::string& path, int newest) {
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

const CublasLt* opened_cublaslt() { return current.load(std::memory_order_acquire); }

// Matrices of cuBLASLt have dense columns: a row of ours is a column of its. It computes out^T = weight * x^T.
struct ProductPlan::State {
  State(Device& owner, const ProductShape& wanted) : device(owner), shape(wanted) {}

  ~State() {
    const Api& api = library();
    for (const LtLayout layout : {weight, x, added, out}) {
      if (layout != nullptr) api.layout_destroy(layout);
    }
    if (operation != nullptr) api.operation_destroy(operation);
    if (preference != nullptr) api.preference_destroy(preference);
  }

  void prepare() {
    const Api& api = library();
    const int type = type_of(shape.dtype);
    check_result(api.operation_create(&operation, kCompute32F, kTypeF32), "cublasLtMatmulDescCreate");
    set(kTransposeA, kTransposed);
    if (shape.bias) set(kEpilogue, kEpilogueBias);
    lay_out(&weight, type, shape.inputs, shape.outputs, shape.weight_stride);
    lay_out(&x, type, shape.inputs, shape.rows, shape.x_stride);
    lay_out(&added, type, shape.outputs, shape.rows, shape.adds ? shape.added_stride : shape.out_stride);
    lay_out(&out, type, shape.outputs, shape.rows, shape.out_stride);
    check_result(api.preference_create(&preference), "cublasLtMatmulPreferenceCreate");
    prefer(kWorkspaceBytes, static_cast<std::uint64_t>(kWorkspace));
    prefer(kReductions, kReductionInComputeType);
    for (int which = kAlignmentA; which <= kAlignmentD; ++which) prefer(which, static_cast<std::uint32_t>(shape.alignment));
    int count = 0;
    const Result result = api.heuristic(handle_of(device), operation, weight, x, added, out, preference, 1, &way, &count);
    check_result(result, "cublasLtMatmulAlgoGetHeuristic", describe(shape));
    if (count == 0) throw CudaError(kErrCuda, "cuBLASLt has no way for a product of " + describe(shape));
  }

  template <typename T>
  void set(int attribute, T value) {
    check_result(library().operation_set(operation, attribute, &value, sizeof(value)), "cublasLtMatmulDescSetAttribute");
  }

  template <typename T>
  void prefer(int attribute, T value) {
    check_result(library().preference_set(preference, attribute, &value, sizeof(value)),
                 "cublasLtMatmulPreferenceSetAttribute");
  }

  void lay_out(LtLayout* layout, int type, std::size_t rows, std::size_t columns, std::size_t stride) {
    check_result(library().layout_create(layout, type, rows, columns, static_cast<std::int64_t>(stride)),
                 "cublasLtMatrixLayoutCreate", describe(shape));
  }

  Device& device;
  ProductShape shape;
  LtOperation operation = nullptr;
  LtLayout weight = nullptr, x = nullptr, added = nullptr, out = nullptr;
  LtPreference preference = nullptr;
  Heuristic way{};
};

ProductPlan::ProductPlan(Device& device, const ProductShape& shape) : state_(std::make_unique<State>(device, shape)) {
  device.enter();
  const AsideFromCapture aside;
  try {
    state_->prepare();
  } catch (const CudaError& error) {
    if (thread_captures().empty()) throw;
    throw CudaError(kErrScope, std::string("the product cannot be planned while a graph is captured, run it once before: ") +
                                   error.what(), error.api().c_str(), error.name());
  }
}

ProductPlan::~ProductPlan() = default;

namespace {

Address address_of(const Operand& operand, const char* name, const std::shared_ptr<Stream>& stream) {
  if (operand.memory == nullptr) return 0;
  const Address address = operand.memory->address(operand.offset, operand.length, name);
  use(operand.memory, stream);
  return address;
}

void require(const Operand& operand, const char* name, std::size_t elements, std::size_t width) {
  if (operand.memory == nullptr) throw CodedError(kErrArgument, std::string("the product needs ") + name);
  if (operand.length < elements * width) {
    throw CodedError(kErrLayout, std::string(name) + " has " + std::to_string(operand.length) + " bytes, and the product " +
                                     "reaches over " + std::to_string(elements * width));
  }
}

std::size_t span(std::size_t rows, std::size_t stride, std::size_t width) { return (rows - 1) * stride + width; }

}  // namespace

void ProductPlan::run(const std::shared_ptr<Stream>& stream, const ProductOperands& operands) {
  State& state = *state_;
  const ProductShape& shape = state.shape;
  same_device(state.device, stream->device(), "the plan and the stream");
  const std::size_t width = bytes_of(static_cast<Dtype>(shape.dtype));
  require(operands.x, "x", span(shape.rows, shape.x_stride, shape.inputs), width);
  require(operands.weight, "weight", span(shape.outputs, shape.weight_stride, shape.inputs), width);
  require(operands.out, "out", span(shape.rows, shape.out_stride, shape.outputs), width);
  if (shape.bias) require(operands.bias, "bias", shape.outputs, width);
  if (shape.adds) require(operands.added, "added", span(shape.rows, shape.added_stride, shape.outputs), width);
  state.device.enter();
  const Address x = address_of(operands.x, "x", stream), weight = address_of(operands.weight, "weight", stream);
  const Address out = address_of(operands.out, "out", stream);
  const Address added = shape.adds ? address_of(operands.added, "added", stream) : out;
  if (shape.bias) state.set(kBiasPointer, address_of(operands.bias, "bias", stream));
  const std::size_t bytes = state.way.workspace_bytes;
  const std::shared_ptr<Memory> workspace = bytes == 0 ? nullptr : workspace_of(stream);
  const Address scratch = workspace == nullptr ? 0 : workspace->address(0, bytes, "the workspace");
  const float alpha = 1, beta = shape.adds ? 1 : 0;
  // The library loads its kernels when they are first needed, which a capture of this thread would forbid.
  const AsideFromCapture aside;
  check_result(library().multiply(handle_of(state.device), state.operation, &alpha, weight, state.weight, x, state.x, &beta,
                                  added, state.added, out, state.out, &state.way.algorithm, scratch, bytes, stream->raw()),
               "cublasLtMatmul", describe(shape));
}

}  // namespace qknorm::cuda
