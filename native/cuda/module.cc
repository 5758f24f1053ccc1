#include "cuda/module.h"

#include <algorithm>

#include "cuda/cubin.h"
#include "cuda/stream.h"

namespace qknorm::cuda {
namespace {

constexpr int kFirstWithPdl = 90, kFirstWithClusters = 90;
constexpr int kMostPortableCluster = 8;  // larger ones are Hopper's

}  // namespace

Module::Module(Device& device, const void* image, std::size_t bytes) : device_(device) {
  if (!thread_captures().empty()) {
    throw CodedError(kErrScope, "a kernel cannot be loaded while a graph is captured; warm it up before the capture");
  }
  // PTX is text that ends in a zero; a cubin does not mind one.
  std::string copy(static_cast<const char*>(image), bytes);
  if (const std::string fault = fault_of_image(copy.data(), bytes); !fault.empty()) {
    throw CudaError(kErrCuda, "this is no module: " + fault);
  }
  device_.enter();
  char log[4096] = {};
  int options[] = {kJitErrorLog, kJitErrorLogBytes};
  void* values[] = {log, reinterpret_cast<void*>(sizeof(log) - 1)};
  check(driver().module_load(&raw_, copy.c_str(), 2, options, values), "cuModuleLoadDataEx", [&] {
    return device_.name() + " is sm_" + std::to_string(device_.capability()) + (*log != '\0' ? "; " : "") + log;
  });
}

Function::Function(std::shared_ptr<Module> module, const std::string& name, ParameterLayout layout, bool waits)
    : module_(std::move(module)), name_(name), label_("kernel " + name), layout_(std::move(layout)) {
  device().enter();
  check(driver().module_function(&raw_, module_->raw(), name_.c_str()), "cuModuleGetFunction", label_.c_str());
  compare_layout();
  max_threads_ = static_cast<std::size_t>(attribute(FunctionAttribute::kMaxThreads));
  const int shared = attribute(FunctionAttribute::kSharedBytes);
  const int most = device().attribute(DeviceAttribute::kSharedBytesPerBlock) - shared;
  most_shared_bytes_ = static_cast<std::size_t>(std::max(0, most));
  const int binary = attribute(FunctionAttribute::kBinaryVersion), ptx = attribute(FunctionAttribute::kPtxVersion);
  compiled_for_ = ptx > 0 ? std::min(ptx, binary) : binary;
  launches_early_ = waits && compiled_for_ >= kFirstWithPdl;
  if (compiled_for_ >= kFirstWithClusters && attribute(FunctionAttribute::kClusterWidth) > kMostPortableCluster) {
    check(driver().function_set(raw_, FunctionAttribute::kLargeClusters, 1), "cuFuncSetAttribute", label_.c_str());
  }
}

int Function::attribute(FunctionAttribute attribute) const {
  int value = 0;
  check(driver().function_attribute(&value, attribute, raw_), "cuFuncGetAttribute", label_.c_str());
  return value;
}

void Function::compare_layout() const {
  const DriverApi& api = driver();
  if (api.parameter_info == nullptr) return;
  std::size_t offset = 0, bytes = 0, end = 0, count = 0;
  while (count <= layout_.offsets.size() && api.parameter_info(raw_, count, &offset, &bytes) == kSuccess) {
    if (count < layout_.offsets.size() && layout_.offsets[count] != offset) {
      throw CodedError(kErrLayout, "kernel " + name_ + " has parameter " + std::to_string(count) + " at byte " +
                                       std::to_string(offset) + ", not " + std::to_string(layout_.offsets[count]));
    }
    end = offset + bytes;
    ++count;
  }
  if (count != layout_.offsets.size() || end != layout_.bytes) {
    throw CodedError(kErrLayout, "kernel " + name_ + " has " + (count > layout_.offsets.size() ? "more than " : "") +
                                     std::to_string(std::min(count, layout_.offsets.size())) + " parameters up to byte " +
                                     std::to_string(end) + "; the caller describes " +
                                     std::to_string(layout_.offsets.size()) + " in " + std::to_string(layout_.bytes));
  }
}

void Function::allow_shared(std::size_t bytes) {
  if (bytes <= allowed_shared_bytes_.load()) return;
  check(driver().function_set(raw_, FunctionAttribute::kDynamicSharedBytes, static_cast<int>(most_shared_bytes_)),
        "cuFuncSetAttribute", label_.c_str());
  allowed_shared_bytes_.store(most_shared_bytes_);
}

int Function::occupancy(std::size_t threads, std::size_t shared_bytes) {
  device().enter();
  allow_shared(shared_bytes);
  int blocks = 0;
  check(driver().occupancy(&blocks, raw_, static_cast<int>(threads), shared_bytes),
        "cuOccupancyMaxActiveBlocksPerMultiprocessor", label_.c_str());
  return blocks;
}

}  // namespace qknorm::cuda
