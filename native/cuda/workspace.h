// Scratch memory of the libraries that compute on a stream. What runs on one stream runs in turn and shares it; a graph
// may be replayed beside anything else, so that each capture has its own.
#pragma once

#include <memory>

#include "cuda/memory.h"

namespace qknorm::cuda {

inline constexpr std::size_t kWorkspace = std::size_t(32) << 20;

// kWorkspace bytes for what this thread queues on the stream next. It does not count as live.
std::shared_ptr<Memory> workspace_of(const std::shared_ptr<Stream>& stream);

// Lets go of a stream's, and of all that this thread has. What is queued may still use it.
void drop_workspace(const std::shared_ptr<Stream>& stream);
void drop_workspaces();

}  // namespace qknorm::cuda
