// cudaCaptureBegin(stream), cudaCaptureEnd(stream), cudaIsCapturing(stream): null asks for any stream that this thread
// has begun to capture, cudaGraphInstantiate(graph), cudaGraphReplay(ready, stream).
#include "addon/cuda_call.h"
#include "cuda/graph.h"

namespace qknorm::cuda {
namespace {

napi_value begin(const Args& args) {
  begin_capture(handle_at<Stream>(args, 0, "stream"));
  return nullptr;
}

napi_value end(const Args& args) {
  return new_handle(args, std::make_shared<Graph>(handle_at<Stream>(args, 0, "stream")));
}

napi_value is_capturing(const Args& args) {
  if (args.is_missing(0)) return Napi::Boolean::New(args.env(), !thread_captures().empty());
  return Napi::Boolean::New(args.env(), handle_at<Stream>(args, 0, "stream")->capture() != nullptr);
}

napi_value instantiate(const Args& args) {
  return new_handle(args, std::make_shared<GraphExec>(*handle_at<Graph>(args, 0, "graph")));
}

napi_value replay(const Args& args) {
  const auto exec = handle_at<GraphExec>(args, 0, "ready");
  exec->replay(handle_at<Stream>(args, 1, "stream"));
  return nullptr;
}

}  // namespace

void register_graphs(Napi::Object exports) {
  define_cuda<begin>(exports, "cudaCaptureBegin");
  define_cuda<end>(exports, "cudaCaptureEnd");
  define_cuda<is_capturing>(exports, "cudaIsCapturing");
  define_cuda<instantiate>(exports, "cudaGraphInstantiate");
  define_cuda<replay>(exports, "cudaGraphReplay");
}

}  // namespace qknorm::cuda
