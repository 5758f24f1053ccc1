// Compiled code on a device, and the functions in it.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "cuda/device.h"
#include "cuda/handles.h"

namespace qknorm::cuda {

class Module {
 public:
  // A cubin, or PTX text. A cubin whose sections do not lie inside the image is refused here: the driver would read
  // past its end. Throws ERR_CUDA; ERR_QKNORM_SCOPE while this thread captures a graph.
  Module(Device& device, const void* image, std::size_t bytes);
  Module(const Module&) = delete;  // nor is it ever unloaded: what is queued may still run it

  Device& device() const { return device_; }
  RawModule raw() const { return raw_; }

 private:
  Device& device_;
  RawModule raw_ = nullptr;
};

// Where each parameter of a kernel lies in its block of arguments, and the length of the block.
struct ParameterLayout {
  std::vector<std::size_t> offsets;
  std::size_t bytes = 0;
};

class Function {
 public:
  // `layout` is compared with what was compiled, where the driver can tell (CUDA 12.4). `waits`: the kernel waits for
  // its predecessor by itself (griddepcontrol.wait), so that it may start early.
  Function(std::shared_ptr<Module> module, const std::string& name, ParameterLayout layout, bool waits);

  Device& device() const { return module_->device(); }
  RawFunction raw() const { return raw_; }
  const std::string& name() const { return name_; }
  const ParameterLayout& layout() const { return layout_; }
  int attribute(FunctionAttribute attribute) const;
  std::size_t max_threads() const { return max_threads_; }
  std::size_t most_shared_bytes() const { return most_shared_bytes_; }

  // The architecture that was compiled for, 90 for sm_90: of PTX its own, not the device's.
  int compiled_for() const { return compiled_for_; }
  // Launched with PDL: it waits by itself, and its architecture is one where that wait was compiled in.
  bool launches_early() const { return launches_early_; }

  // Resident blocks per multiprocessor.
  int occupancy(std::size_t threads, std::size_t shared_bytes);

  // 48 KiB of dynamic shared memory are free for all; more must be asked for, once.
  void allow_shared(std::size_t bytes);

 private:
  void compare_layout() const;

  std::shared_ptr<Module> module_;
  std::string name_, label_;
  ParameterLayout layout_;
  RawFunction raw_ = nullptr;
  std::size_t max_threads_ = 0, most_shared_bytes_ = 0;
  std::atomic<std::size_t> allowed_shared_bytes_{48 << 10};
  int compiled_for_ = 0;
  bool launches_early_ = false;
};

template <>
struct HandleKind<Module> {
  static constexpr Handle number = 4;
  static constexpr const char* name = "module";
};
template <>
struct HandleKind<Function> {
  static constexpr Handle number = 5;
  static constexpr const char* name = "kernel";
};

}  // namespace qknorm::cuda
