// Capturing what is queued on a stream into a graph, and replaying it.
#pragma once

#include <memory>
#include <vector>

#include "cuda/memory.h"

namespace qknorm::cuda {

// Begins a capture; only this thread may end it. Throws ERR_QKNORM_SCOPE if the stream is in one already.
void begin_capture(const std::shared_ptr<Stream>& stream);

// What was captured. It keeps the memory of its launches alive.
class Graph {
 public:
  // Ends the capture that began on `stream`. Throws ERR_QKNORM_SCOPE if none did, or another thread began it; ERR_CUDA
  // if the capture is broken, which leaves it ended.
  explicit Graph(const std::shared_ptr<Stream>& stream);
  ~Graph();
  Graph(const Graph&) = delete;

  Device& device() const { return device_; }
  RawGraph raw() const { return raw_; }
  const std::vector<std::shared_ptr<Memory>>& kept() const { return kept_; }

 private:
  Device& device_;
  RawGraph raw_ = nullptr;
  std::vector<std::shared_ptr<Memory>> kept_;
};

// Ends the captures that this thread has open, and throws what was captured away.
void abandon_captures() noexcept;

// A graph made ready to run.
class GraphExec {
 public:
  explicit GraphExec(const Graph& graph);
  ~GraphExec();
  GraphExec(const GraphExec&) = delete;

  Device& device() const { return device_; }


  void replay(const std::shared_ptr<Stream>& stream);

 private:
  Device& device_;
  RawGraphExec raw_ = nullptr;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Memory>> kept_;
};

template <>
struct HandleKind<Graph> {
  static constexpr Handle number = 6;
  static constexpr const char* name = "graph";
};
template <>
struct HandleKind<GraphExec> {
  static constexpr Handle number = 7;
  static constexpr const char* name = "ready graph";
};

}  // namespace qknorm::cuda
