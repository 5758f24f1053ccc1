#include "cuda/graph.h"

#include <algorithm>

namespace qknorm::cuda {
namespace {

// Ends it on the driver's side and in our books, whatever comes of it.
Status end_capture(const std::shared_ptr<Stream>& stream, Capture& capture, RawGraph& graph) {
  const Status status = driver().capture_end(stream->raw(), &graph);
  capture.close();
  open_captures().fetch_sub(1);
  auto& mine = thread_captures();
  mine.erase(std::remove(mine.begin(), mine.end(), stream), mine.end());
  return status;
}

}  // namespace

void begin_capture(const std::shared_ptr<Stream>& stream) {
  if (stream->capture() != nullptr) throw CodedError(kErrScope, "the stream is being captured already");
  stream->device().enter();
  auto capture = std::make_shared<Capture>();
  thread_captures().reserve(thread_captures().size() + 1);
  // Thread-local: what other threads do meanwhile is none of this capture's business.
  check(driver().capture_begin(stream->raw(), kCaptureThreadLocal), "cuStreamBeginCapture");
  thread_captures().push_back(stream);
  stream->join_capture(std::move(capture));
  open_captures().fetch_add(1);
}

Graph::Graph(const std::shared_ptr<Stream>& stream) : device_(stream->device()) {
  const std::shared_ptr<Capture> capture = stream->capture();
  if (capture == nullptr) throw CodedError(kErrScope, "the stream is not being captured");
  if (!capture->is_of_this_thread()) {
    throw CodedError(kErrScope, "another thread began this capture, and only it can end it");
  }
  const auto& mine = thread_captures();
  if (std::find(mine.begin(), mine.end(), stream) == mine.end()) {
    throw CodedError(kErrScope, "the capture began on another stream, and ends there");
  }
  device_.enter();
  const Status status = end_capture(stream, *capture, raw_);
  kept_ = capture->take_kept();
  if (status != kSuccess && raw_ != nullptr) driver().graph_destroy(raw_);
  check(status, "cuStreamEndCapture", "nothing of the capture is left");
  free_leftovers();
}

Graph::~Graph() {
  if (raw_ != nullptr) driver().graph_destroy(raw_);
}

void abandon_captures() noexcept {
  const std::vector<std::shared_ptr<Stream>> open = thread_captures();
  for (const auto& stream : open) {
    try {
      const Graph thrown_away(stream);
    } catch (const std::exception&) {
      // A capture that cannot be ended is broken already.
    }
  }
}

GraphExec::GraphExec(const Graph& graph) : device_(graph.device()), kept_(graph.kept()) {
  device_.enter();
  check(driver().graph_instantiate(&raw_, graph.raw(), 0), "cuGraphInstantiate");
}

GraphExec::~GraphExec() {
  if (raw_ != nullptr) driver().exec_destroy(raw_);  // a replay that runs still ends
}

void GraphExec::replay(const std::shared_ptr<Stream>& stream) {
  same_device(device_, stream->device(), "the graph and the stream");
  stream->refuse_capture("a replay");
  device_.enter();
  const std::lock_guard lock(mutex_);
  // Freed memory goes back to the pool only behind the last replay that uses it.
  for (const auto& memory : kept_) memory->use_on(stream);
  check(driver().graph_launch(raw_, stream->raw()), "cuGraphLaunch");
}

}  // namespace qknorm::cuda
