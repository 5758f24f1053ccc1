// cudaStream(device), cudaStreamSynchronize(stream), cudaStreamIsDone(stream), cudaStreamWait(stream, event);
// cudaEvent(device, timed), cudaEventRecord(event, stream), cudaEventIsDone(event), cudaEventSynchronize(event),
// cudaEventElapsed(start, end).
#include "addon/cuda_call.h"
#include "cuda/faults.h"
#include "cuda/stream.h"

namespace qknorm::cuda {
namespace {

Device& device_at(const Args& args) { return Device::at(args.integer(0, "device", 0, 1023)); }

napi_value new_stream(const Args& args) { return new_handle(args, std::make_shared<Stream>(device_at(args))); }

napi_value synchronize(const Args& args) {
  const auto stream = handle_at<Stream>(args, 0, "stream");
  stream->refuse_capture("waiting for the stream");
  stream->device().enter();
  check(driver().stream_synchronize(stream->raw()), "cuStreamSynchronize");
  stream->device().faults().raise();
  return nullptr;
}

napi_value is_done(const Args& args) {
  const auto stream = handle_at<Stream>(args, 0, "stream");
  stream->refuse_capture("asking whether the stream is done");
  stream->device().enter();
  const Status status = driver().stream_query(stream->raw());
  if (status != kNotReady) check(status, "cuStreamQuery");
  return Napi::Boolean::New(args.env(), status == kSuccess);
}

napi_value wait(const Args& args) {
  const auto stream = handle_at<Stream>(args, 0, "stream");
  handle_at<Event>(args, 1, "event")->wait_on(*stream);
  return nullptr;
}

napi_value new_event(const Args& args) {
  return new_handle(args, std::make_shared<Event>(device_at(args), args.boolean(1, "timed")));
}

napi_value record(const Args& args) {
  const auto event = handle_at<Event>(args, 0, "event");
  event->record(*handle_at<Stream>(args, 1, "stream"));
  return nullptr;
}

napi_value event_is_done(const Args& args) {
  return Napi::Boolean::New(args.env(), handle_at<Event>(args, 0, "event")->is_done());
}

napi_value event_synchronize(const Args& args) {
  const auto event = handle_at<Event>(args, 0, "event");
  event->synchronize();
  event->device().faults().raise();
  return nullptr;
}

napi_value event_elapsed(const Args& args) {
  const auto start = handle_at<Event>(args, 0, "start");
  return Napi::Number::New(args.env(), elapsed(*start, *handle_at<Event>(args, 1, "end")));
}

}  // namespace

void register_streams(Napi::Object exports) {
  define_cuda<new_stream>(exports, "cudaStream");
  define_cuda<synchronize>(exports, "cudaStreamSynchronize");
  define_cuda<is_done>(exports, "cudaStreamIsDone");
  define_cuda<wait>(exports, "cudaStreamWait");
  define_cuda<new_event>(exports, "cudaEvent");
  define_cuda<record>(exports, "cudaEventRecord");
  define_cuda<event_is_done>(exports, "cudaEventIsDone");
  define_cuda<event_synchronize>(exports, "cudaEventSynchronize");
  define_cuda<event_elapsed>(exports, "cudaEventElapsed");
}

}  // namespace qknorm::cuda
