// cudaAllocate(stream, bytes, zeros), cudaUpload(memory, offset, array, stream),
// cudaUploadFile(memory, offset, descriptor, position, bytes, stream), cudaDownload(array, memory, offset, stream),
// cudaCopy(to, toOffset, from, fromOffset, bytes, stream), cudaFill(memory, offset, bytes, value, stream),
// cudaFree(handle): whatever kind it is. Offsets are in bytes.
#include <climits>

#include "addon/cuda_call.h"
#include "cuda/cublaslt.h"
#include "cuda/graph.h"
#include "cuda/launch.h"
#include "cuda/staging.h"
#include "cuda/workspace.h"

namespace qknorm::cuda {
namespace {

struct Bytes {
  void* data;
  std::size_t count;
};

std::size_t bytes_of(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array:
    case napi_uint8_array:
    case napi_uint8_clamped_array: return 1;
    case napi_int16_array:
    case napi_uint16_array: return 2;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array: return 4;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array: return 8;
    default: throw CodedError(kErrDtype, "array has an element type that this addon does not know");
  }
}

Bytes bytes_at(const Args& args, std::size_t i) {
  const ArrayView array = args.array(i, "array");
  return {array.data, array.length * bytes_of(array.type)};
}

napi_value allocate(const Args& args) {
  const auto stream = handle_at<Stream>(args, 0, "stream");
  const Contents contents = args.boolean(2, "zeros") ? Contents::kZeros : Contents::kAny;
  return new_handle(args, std::make_shared<Memory>(stream, args.integer(1, "bytes"), Counted::kYes, contents));
}

napi_value upload(const Args& args) {
  const auto memory = handle_at<Memory>(args, 0, "memory");
  const std::size_t offset = args.integer(1, "offset");
  const Bytes bytes = bytes_at(args, 2);
  memory->device().staging().upload(handle_at<Stream>(args, 3, "stream"), memory, offset, bytes.data, bytes.count);
  return nullptr;
}

napi_value upload_file(const Args& args) {
  const auto memory = handle_at<Memory>(args, 0, "memory");
  const std::size_t offset = args.integer(1, "offset");
  const int descriptor = static_cast<int>(args.integer(2, "descriptor", 0, INT_MAX));
  const FileRange file = {descriptor, args.integer(3, "position"), args.integer(4, "bytes")};
  const auto stream = handle_at<Stream>(args, 5, "stream");
  const std::size_t arrived = memory->device().staging().upload_file(stream, memory, offset, file);
  return Napi::Number::New(args.env(), static_cast<double>(arrived));
}

napi_value download(const Args& args) {
  const Bytes bytes = bytes_at(args, 0);
  const auto memory = handle_at<Memory>(args, 1, "memory");
  const std::size_t offset = args.integer(2, "offset");
  memory->device().staging().download(handle_at<Stream>(args, 3, "stream"), bytes.data, memory, offset, bytes.count);
  return nullptr;
}

napi_value copy(const Args& args) {
  const auto to = handle_at<Memory>(args, 0, "to"), from = handle_at<Memory>(args, 2, "from");
  const std::size_t to_offset = args.integer(1, "toOffset"), from_offset = args.integer(3, "fromOffset");
  const std::size_t bytes = args.integer(4, "bytes");
  const auto stream = handle_at<Stream>(args, 5, "stream");
  const Address target = to->address(to_offset, bytes, "to"), source = from->address(from_offset, bytes, "from");
  const std::size_t apart = target > source ? target - source : source - target;
  if (apart < bytes) throw CodedError(kErrOverlap, "to and from share memory");
  use(to, stream);
  use(from, stream);
  if (bytes == 0) return nullptr;
  stream->device().enter();
  check(driver().copy(target, source, bytes, stream->raw()), "cuMemcpyDtoDAsync");
  return nullptr;
}

napi_value fill(const Args& args) {
  const auto memory = handle_at<Memory>(args, 0, "memory");
  const std::size_t bytes = args.integer(2, "bytes");
  const Address target = memory->address(args.integer(1, "offset"), bytes, "the filled range");
  const auto value = static_cast<unsigned char>(args.integer(3, "value", 0, 255));
  const auto stream = handle_at<Stream>(args, 4, "stream");
  use(memory, stream);
  if (bytes == 0) return nullptr;
  stream->device().enter();
  check(driver().fill(target, value, bytes, stream->raw()), "cuMemsetD8Async");
  return nullptr;
}

template <typename T>
bool free_as(Handle handle) {
  if (kind_of(handle) != HandleKind<T>::number) return false;
  Handles<T>::table().take(handle, "handle");
  return true;
}

napi_value free_any(const Args& args) {
  const Handle handle = args.integer(0, "handle");
  if (kind_of(handle) == HandleKind<Stream>::number) {
    const auto stream = Handles<Stream>::table().get(handle, "handle");
    stream->refuse_capture("freeing the stream");
    drop_workspace(stream);
  }
  const bool known = free_as<Memory>(handle) || free_as<Event>(handle) || free_as<Stream>(handle) ||
                     free_as<Graph>(handle) || free_as<GraphExec>(handle) || free_as<Function>(handle) ||
                     free_as<Module>(handle) || free_as<ProductPlan>(handle);
  if (!known) throw CodedError(kErrArgument, "handle names nothing: " + std::to_string(handle));
  return nullptr;
}

}  // namespace

void register_memory(Napi::Object exports) {
  define_cuda<allocate>(exports, "cudaAllocate");
  define_cuda<upload>(exports, "cudaUpload");
  define_cuda<upload_file>(exports, "cudaUploadFile");
  define_cuda<download>(exports, "cudaDownload");
  define_cuda<copy>(exports, "cudaCopy");
  define_cuda<fill>(exports, "cudaFill");
  define_cuda<free_any>(exports, "cudaFree");
}

}  // namespace qknorm::cuda
