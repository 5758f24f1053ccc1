// The part of the CUDA driver API that is used here, declared by hand: no cuda.h is needed to build.
// driver_api_check.cc compares it with cuda.h where there is one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qknorm::cuda {

using Status = int;
using Ordinal = int;
using Address = unsigned long long;  // of device memory
using RawContext = struct OpaqueContext*;
using RawModule = struct OpaqueModule*;
using RawFunction = struct OpaqueFunction*;
using RawStream = struct OpaqueStream*;
using RawEvent = struct OpaqueEvent*;
using RawPool = struct OpaquePool*;
using RawGraph = struct OpaqueGraph*;
using RawGraphExec = struct OpaqueGraphExec*;
using RawGraphNode = struct OpaqueGraphNode*;

inline constexpr Status kSuccess = 0, kOutOfMemory = 2, kStubLibrary = 34, kNoDevice = 100, kNotReady = 600;

enum class DeviceAttribute : int {
  kMultiprocessors = 16,
  kL2Bytes = 38,
  kCapabilityMajor = 75,
  kCapabilityMinor = 76,
  kSharedBytesPerBlock = 97,  // the most that a kernel can opt in to
  kMemoryPools = 115,
};

enum class FunctionAttribute : int {
  kMaxThreads = 0,
  kSharedBytes = 1,
  kLocalBytes = 3,
  kRegisters = 4,
  kPtxVersion = 5,     // 90 for compute_90
  kBinaryVersion = 6,  // 90 for sm_90
  kDynamicSharedBytes = 8,
  kClusterWidth = 11,         // as compiled; 0: no clusters
  kLargeClusters = 14,        // whether clusters of more than 8 blocks are allowed
};

inline constexpr unsigned kStreamNonBlocking = 1, kEventNoTiming = 2;
inline constexpr int kCaptureThreadLocal = 1, kCaptureRelaxed = 2;
inline constexpr int kPoolReleaseThreshold = 4, kPoolReserved = 5, kPoolUsed = 7;
inline constexpr int kJitErrorLog = 5, kJitErrorLogBytes = 6;
inline constexpr unsigned kCooperative = 2;
inline constexpr unsigned kProgrammaticStreamSerialization = 6;  // PDL

struct LaunchAttribute {
  unsigned id;
  char pad[4];
  union {
    int number;
    char bytes[64];
  } value;
};

struct LaunchConfig {
  unsigned grid[3];
  unsigned block[3];
  unsigned shared_bytes;
  RawStream stream;
  LaunchAttribute* attributes;
  unsigned attribute_count;
};

struct KernelNode {
  RawFunction function;
  unsigned grid[3];
  unsigned block[3];
  unsigned shared_bytes;
  void** parameters;
  void** extra;
  void* kernel;
  RawContext context;  // null: the current one
};

// X(member, exported name, parameters); every function returns Status.
#define QKNORM_DRIVER_FUNCTIONS(X)                                                                                 \
  X(init, cuInit, (unsigned flags))                                                                                \
  X(driver_version, cuDriverGetVersion, (int* version))                                                            \
  X(error_name, cuGetErrorName, (Status status, const char** name))                                                \
  X(error_text, cuGetErrorString, (Status status, const char** text))                                              \
  X(device_count, cuDeviceGetCount, (int* count))                                                                  \
  X(device_get, cuDeviceGet, (Ordinal * device, int index))                                                        \
  X(device_name, cuDeviceGetName, (char* name, int length, Ordinal device))                                        \
  X(device_attribute, cuDeviceGetAttribute, (int* value, DeviceAttribute attribute, Ordinal device))               \
  X(device_bytes, cuDeviceTotalMem_v2, (std::size_t* bytes, Ordinal device))                                       \
  X(context_retain, cuDevicePrimaryCtxRetain, (RawContext * context, Ordinal device))                              \
  X(context_set, cuCtxSetCurrent, (RawContext context))                                                            \
  X(memory_info, cuMemGetInfo_v2, (std::size_t* free, std::size_t* total))                                         \
  X(stream_create, cuStreamCreate, (RawStream * stream, unsigned flags))                                           \
  X(stream_destroy, cuStreamDestroy_v2, (RawStream stream))                                                        \
  X(stream_synchronize, cuStreamSynchronize, (RawStream stream))                                                   \
  X(stream_query, cuStreamQuery, (RawStream stream))                                                               \
  X(stream_wait, cuStreamWaitEvent, (RawStream stream, RawEvent event, unsigned flags))                            \
  X(capture_begin, cuStreamBeginCapture_v2, (RawStream stream, int mode))                                          \
  X(capture_end, cuStreamEndCapture, (RawStream stream, RawGraph * graph))                                         \
  X(capture_mode, cuThreadExchangeStreamCaptureMode, (int* mode))                                                  \
  X(event_create, cuEventCreate, (RawEvent * event, unsigned flags))                                               \
  X(event_destroy, cuEventDestroy_v2, (RawEvent event))                                                            \
  X(event_record, cuEventRecord, (RawEvent event, RawStream stream))                                               \
  X(event_query, cuEventQuery, (RawEvent event))                                                                   \
  X(event_synchronize, cuEventSynchronize, (RawEvent event))                                                       \
  X(event_elapsed, cuEventElapsedTime, (float* milliseconds, RawEvent start, RawEvent end))                        \
  X(default_pool, cuDeviceGetDefaultMemPool, (RawPool * pool, Ordinal device))                                     \
  X(pool_set, cuMemPoolSetAttribute, (RawPool pool, int attribute, void* value))                                   \
  X(pool_get, cuMemPoolGetAttribute, (RawPool pool, int attribute, void* value))                                   \
  X(pool_trim, cuMemPoolTrimTo, (RawPool pool, std::size_t keep))                                                  \
  X(allocate, cuMemAllocAsync, (Address * address, std::size_t bytes, RawStream stream))                           \
  X(free, cuMemFreeAsync, (Address address, RawStream stream))                                                     \
  X(upload, cuMemcpyHtoDAsync_v2, (Address to, const void* from, std::size_t bytes, RawStream stream))             \
  X(download, cuMemcpyDtoHAsync_v2, (void* to, Address from, std::size_t bytes, RawStream stream))                 \
  X(copy, cuMemcpyDtoDAsync_v2, (Address to, Address from, std::size_t bytes, RawStream stream))                   \
  X(fill, cuMemsetD8Async, (Address to, unsigned char value, std::size_t bytes, RawStream stream))                 \
  X(host_allocate, cuMemHostAlloc, (void** memory, std::size_t bytes, unsigned flags))                             \
  X(host_free, cuMemFreeHost, (void* memory))                                                                      \
  X(module_load, cuModuleLoadDataEx,                                                                               \
    (RawModule * module, const void* image, unsigned count, int* options, void** values))                          \
  X(module_function, cuModuleGetFunction, (RawFunction * function, RawModule module, const char* name))            \
  X(function_attribute, cuFuncGetAttribute, (int* value, FunctionAttribute attribute, RawFunction function))       \
  X(function_set, cuFuncSetAttribute, (RawFunction function, FunctionAttribute attribute, int value))              \
  X(occupancy, cuOccupancyMaxActiveBlocksPerMultiprocessor,                                                        \
    (int* blocks, RawFunction function, int threads, std::size_t shared_bytes))                                    \
  X(launch, cuLaunchKernelEx,                                                                                      \
    (const LaunchConfig* config, RawFunction function, void** parameters, void** extra))                           \
  X(graph_create, cuGraphCreate, (RawGraph * graph, unsigned flags))                                               \
  X(graph_add_kernel, cuGraphAddKernelNode_v2,                                                                     \
    (RawGraphNode * node, RawGraph graph, const RawGraphNode* after, std::size_t count, const KernelNode* kernel)) \
  X(graph_destroy, cuGraphDestroy, (RawGraph graph))                                                               \
  X(graph_instantiate, cuGraphInstantiateWithFlags,                                                                \
    (RawGraphExec * exec, RawGraph graph, unsigned long long flags))                                               \
  X(exec_set_kernel, cuGraphExecKernelNodeSetParams_v2,                                                            \
    (RawGraphExec exec, RawGraphNode node, const KernelNode* kernel))                                              \
  X(graph_launch, cuGraphLaunch, (RawGraphExec exec, RawStream stream))                                            \
  X(exec_destroy, cuGraphExecDestroy, (RawGraphExec exec))

// A driver of CUDA 12.0 to 12.3 lacks these.
#define QKNORM_NEWER_DRIVER_FUNCTIONS(X) \
  X(parameter_info, cuFuncGetParamInfo, (RawFunction function, std::size_t index, std::size_t* offset, std::size_t* bytes))

struct DriverApi {
#define QKNORM_DECLARE(member, name, parameters) Status(*member) parameters = nullptr;
  QKNORM_DRIVER_FUNCTIONS(QKNORM_DECLARE)
  QKNORM_NEWER_DRIVER_FUNCTIONS(QKNORM_DECLARE)
#undef QKNORM_DECLARE
};

}  // namespace qknorm::cuda
