// A launch that is started again and again, outside of captures.
//
// Of a driver of CUDA 13.0, starting a graph that holds one kernel costs the host 1.3 microseconds where starting the
// kernel costs 3.3, new arguments for it 0.2 more (native/bench/NOTES.md). For the device it is the dearer way, by 2.3
// microseconds where it has other work queued before and behind, since PDL does not reach into and out of a graph. So
// small launches go this way, of which the host queues one after the other, and not while the device lags behind.
#pragma once

#include <vector>

#include "cuda/module.h"
#include "cuda/stream.h"

namespace qknorm::cuda {

class RepeatedLaunch {
 public:
  RepeatedLaunch() = default;
  ~RepeatedLaunch();
  RepeatedLaunch(const RepeatedLaunch&) = delete;

  // Counts a start; whether it goes by the graph, else by a launch of its own. Another kernel is counted anew.
  bool takes(const LaunchConfig& config, RawFunction function, Stream& stream);

  // Whether a graph may be started on the stream now.
  static bool suits(Stream& stream);

  // Starts it on the configuration's stream; false, with nothing started, if the driver makes no graph of it, which
  // costs time and no result. `parameters` point into `arguments`. Throws ERR_CUDA if the start fails.
  bool start(const LaunchConfig& config, void** parameters, const void* arguments, std::size_t bytes);

  // Starts what the last start() did once more. Throws ERR_CUDA.
  void start_again(Stream& stream);

 private:
  void drop();
  bool build(const KernelNode& node);
  bool holds(const KernelNode& node, const void* arguments, std::size_t bytes) const;

  RawFunction function_ = nullptr;
  unsigned starts_ = 0;
  bool refused_ = false;
  RawGraph graph_ = nullptr;
  RawGraphNode graph_node_ = nullptr;
  RawGraphExec exec_ = nullptr;
  KernelNode node_{};
  std::vector<char> arguments_;
};

}  // namespace qknorm::cuda
