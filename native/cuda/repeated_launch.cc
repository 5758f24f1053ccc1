#include "cuda/repeated_launch.h"

#include <cstring>

namespace qknorm::cuda {
namespace {

// Starts by themselves before a graph is made, which costs as much as several.
constexpr unsigned kStartsAlone = 2;
// About 4,096 heads of 128: from there on the kernel takes longer than its start.
constexpr std::size_t kMostThreads = 65536;

std::size_t threads(const LaunchConfig& config) {
  std::size_t count = 1;
  for (const unsigned size : config.grid) count *= size;
  for (const unsigned size : config.block) count *= size;
  return count;
}

}  // namespace

RepeatedLaunch::~RepeatedLaunch() { drop(); }

void RepeatedLaunch::drop() {
  // What was started still runs.
  if (exec_ != nullptr) driver().exec_destroy(exec_);
  if (graph_ != nullptr) driver().graph_destroy(graph_);
  exec_ = nullptr;
  graph_ = nullptr;
}

bool RepeatedLaunch::takes(const LaunchConfig& config, RawFunction function, Stream& stream) {
  if (refused_ || threads(config) > kMostThreads) return false;
  if (function != function_) {
    drop();
    function_ = function;
    starts_ = 0;
  }
  if (starts_ < kStartsAlone) {
    ++starts_;
    return false;
  }
  return suits(stream);
}

bool RepeatedLaunch::suits(Stream& stream) {
  if (stream.capture() != nullptr || !thread_captures().empty()) return false;
  return !stream.backlog().is_deep(stream.device(), stream.raw());
}

bool RepeatedLaunch::start(const LaunchConfig& config, void** parameters, const void* arguments, std::size_t bytes) {
  KernelNode node{};
  node.function = function_;
  std::memcpy(node.grid, config.grid, sizeof(node.grid));
  std::memcpy(node.block, config.block, sizeof(node.block));
  node.shared_bytes = config.shared_bytes;
  node.parameters = parameters;
  if (!holds(node, arguments, bytes)) {
    const bool ready =
        exec_ == nullptr ? build(node) : driver().exec_set_kernel(exec_, graph_node_, &node) == kSuccess;
    refused_ = !ready;
    if (!ready) return false;
    node_ = node;
    const char* first = static_cast<const char*>(arguments);
    arguments_.assign(first, first + bytes);
  }
  check(driver().graph_launch(exec_, config.stream), "cuGraphLaunch");
  return true;
}

void RepeatedLaunch::start_again(Stream& stream) {
  stream.device().enter();
  check(driver().graph_launch(exec_, stream.raw()), "cuGraphLaunch");
}

bool RepeatedLaunch::build(const KernelNode& node) {
  const DriverApi& api = driver();
  return api.graph_create(&graph_, 0) == kSuccess &&
         api.graph_add_kernel(&graph_node_, graph_, nullptr, 0, &node) == kSuccess &&
         api.graph_instantiate(&exec_, graph_, 0) == kSuccess;
}

bool RepeatedLaunch::holds(const KernelNode& node, const void* arguments, std::size_t bytes) const {
  return exec_ != nullptr && node.shared_bytes == node_.shared_bytes &&
         std::memcmp(node.grid, node_.grid, sizeof(node.grid)) == 0 &&
         std::memcmp(node.block, node_.block, sizeof(node.block)) == 0 && bytes == arguments_.size() &&
         (bytes == 0 || std::memcmp(arguments, arguments_.data(), bytes) == 0);
}

}  // namespace qknorm::cuda
