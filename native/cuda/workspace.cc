#include "cuda/workspace.h"

#include <unordered_map>

namespace qknorm::cuda {
namespace {

struct Workspace {
  std::shared_ptr<Memory> memory;      // outside of captures
  std::weak_ptr<Capture> capture;      // the last one, and what it keeps
  std::weak_ptr<Memory> of_capture;
};

std::unordered_map<const Stream*, Workspace>& workspaces() {
  thread_local std::unordered_map<const Stream*, Workspace> mine;
  return mine;
}

}  // namespace

std::shared_ptr<Memory> workspace_of(const std::shared_ptr<Stream>& stream) {
  Workspace& own = workspaces()[stream.get()];
  const std::shared_ptr<Capture> capture = stream->capture();
  if (capture == nullptr) {
    if (own.memory == nullptr) own.memory = std::make_shared<Memory>(stream, kWorkspace, Counted::kNo);
    return own.memory;
  }
  std::shared_ptr<Memory> memory = own.capture.lock() == capture ? own.of_capture.lock() : nullptr;
  if (memory == nullptr) {
    memory = std::make_shared<Memory>(stream, kWorkspace, Counted::kNo);
    capture->keep(memory);
    own.capture = capture;
    own.of_capture = memory;
  }
  return memory;
}

void drop_workspace(const std::shared_ptr<Stream>& stream) { workspaces().erase(stream.get()); }

void drop_workspaces() { workspaces().clear(); }

}  // namespace qknorm::cuda
