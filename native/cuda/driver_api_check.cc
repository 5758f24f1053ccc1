// Compares driver_api.h with cuda.h, at compile time and only where there is one.
#if defined(__has_include)
#if __has_include(<cuda.h>)
#include <cuda.h>
#endif
#endif

#if defined(CUDA_VERSION) && CUDA_VERSION >= 12040
#include <type_traits>

#include "cuda/driver_api.h"

namespace qknorm::cuda {
namespace {

template <typename Ours, typename Theirs>
struct SameShape : std::false_type {};

// As many parameters, each of the same size and both or neither a pointer: the same registers in a call.
template <typename... A, typename Result, typename... B>
  requires(sizeof...(A) == sizeof...(B))
struct SameShape<Status (*)(A...), Result (*)(B...)>
    : std::bool_constant<sizeof(Result) == sizeof(Status) &&
                         ((sizeof(A) == sizeof(B) && std::is_pointer_v<A> == std::is_pointer_v<B>) && ...)> {};

#define QKNORM_CHECK(member, name, parameters) \
  static_assert(SameShape<decltype(DriverApi::member), decltype(&::name)>::value, #name);
QKNORM_DRIVER_FUNCTIONS(QKNORM_CHECK)
QKNORM_NEWER_DRIVER_FUNCTIONS(QKNORM_CHECK)
#undef QKNORM_CHECK

static_assert(kSuccess == CUDA_SUCCESS && kOutOfMemory == CUDA_ERROR_OUT_OF_MEMORY &&
              kStubLibrary == CUDA_ERROR_STUB_LIBRARY && kNoDevice == CUDA_ERROR_NO_DEVICE &&
              kNotReady == CUDA_ERROR_NOT_READY);
static_assert(int(DeviceAttribute::kMultiprocessors) == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT &&
              int(DeviceAttribute::kL2Bytes) == CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE &&
              int(DeviceAttribute::kCapabilityMajor) == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR &&
              int(DeviceAttribute::kCapabilityMinor) == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR &&
              int(DeviceAttribute::kSharedBytesPerBlock) == CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN &&
              int(DeviceAttribute::kMemoryPools) == CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED);
static_assert(int(FunctionAttribute::kMaxThreads) == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK &&
              int(FunctionAttribute::kSharedBytes) == CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES &&
              int(FunctionAttribute::kLocalBytes) == CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES &&
              int(FunctionAttribute::kRegisters) == CU_FUNC_ATTRIBUTE_NUM_REGS &&
              int(FunctionAttribute::kPtxVersion) == CU_FUNC_ATTRIBUTE_PTX_VERSION &&
              int(FunctionAttribute::kBinaryVersion) == CU_FUNC_ATTRIBUTE_BINARY_VERSION &&
              int(FunctionAttribute::kDynamicSharedBytes) == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
static_assert(kStreamNonBlocking == CU_STREAM_NON_BLOCKING && kEventNoTiming == CU_EVENT_DISABLE_TIMING);
static_assert(kCaptureThreadLocal == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL &&
              kCaptureRelaxed == CU_STREAM_CAPTURE_MODE_RELAXED);
static_assert(kPoolReleaseThreshold == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD &&
              kPoolReserved == CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT && kPoolUsed == CU_MEMPOOL_ATTR_USED_MEM_CURRENT);
static_assert(kJitErrorLog == CU_JIT_ERROR_LOG_BUFFER && kJitErrorLogBytes == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
static_assert(kProgrammaticStreamSerialization == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);

static_assert(sizeof(LaunchAttribute) == sizeof(CUlaunchAttribute) &&
              offsetof(LaunchAttribute, value) == offsetof(CUlaunchAttribute, value) &&
              alignof(LaunchAttribute) <= alignof(CUlaunchAttribute));
static_assert(sizeof(LaunchConfig) == sizeof(CUlaunchConfig) &&
              offsetof(LaunchConfig, block) == offsetof(CUlaunchConfig, blockDimX) &&
              offsetof(LaunchConfig, shared_bytes) == offsetof(CUlaunchConfig, sharedMemBytes) &&
              offsetof(LaunchConfig, stream) == offsetof(CUlaunchConfig, hStream) &&
              offsetof(LaunchConfig, attributes) == offsetof(CUlaunchConfig, attrs) &&
              offsetof(LaunchConfig, attribute_count) == offsetof(CUlaunchConfig, numAttrs));
static_assert(sizeof(KernelNode) == sizeof(CUDA_KERNEL_NODE_PARAMS) &&
              offsetof(KernelNode, block) == offsetof(CUDA_KERNEL_NODE_PARAMS, blockDimX) &&
              offsetof(KernelNode, shared_bytes) == offsetof(CUDA_KERNEL_NODE_PARAMS, sharedMemBytes) &&
              offsetof(KernelNode, parameters) == offsetof(CUDA_KERNEL_NODE_PARAMS, kernelParams) &&
              offsetof(KernelNode, context) == offsetof(CUDA_KERNEL_NODE_PARAMS, ctx));

}  // namespace
}  // namespace qknorm::cuda
#endif
