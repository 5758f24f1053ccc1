// nvrtcOpen(path, newest), nvrtcLibrary(), nvrtcCompile(source, name, options), nvrtcCompileAsync(the same): a promise.
// `options` are one a line.
#include "addon/cuda_call.h"
#include <algorithm>
#include <deque>
#include <exception>
#include <memory>

#include "cuda/nvrtc.h"

namespace qknorm::cuda {
namespace {

napi_value open(const Args& args) {
  Napi::Env env(args.env());
  const std::string reason = open_nvrtc(args.string(0, "path"), static_cast<int>(args.integer(1, "newest", 0, 1000)));
  return reason.empty() ? Napi::Value(env.Null()) : Napi::String::New(env, reason);
}

napi_value opened(const Args& args) {
  Napi::Env env(args.env());
  const Nvrtc* known = opened_nvrtc();
  if (known == nullptr) return env.Null();
  Napi::Object info = Napi::Object::New(env);
  info.Set("path", known->path);
  info.Set("version", std::to_string(known->version.major) + "." + std::to_string(known->version.minor));
  return info;
}

struct Job {
  std::string source, name;
  std::vector<std::string> options;
};

Job job_of(const Args& args) {
  Job job{args.string(0, "source"), args.string(1, "name"), {}};
  const std::string lines = args.string(2, "options");
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = std::min(lines.find('\n', at), lines.size());
    if (end > at) job.options.push_back(lines.substr(at, end - at));
    at = end + 1;
  }
  return job;
}

Napi::Value bytes_of(Napi::Env env, const std::string& cubin) {
  Napi::Uint8Array bytes = Napi::Uint8Array::New(env, cubin.size());
  std::copy(cubin.begin(), cubin.end(), bytes.Data());
  return bytes;
}

napi_value compile_now(const Args& args) {
  const Job job = job_of(args);
  return bytes_of(args.env(), compile(job.source, job.name, job.options));
}

// Node's threads are few, and files are read on them too; and a process that exits waits for all that they were given.
constexpr std::size_t kAtOnce = 2;

class Compilation;

// The compilations of a thread's environment that wait for their turn, and how many have it.
struct Queue {
  std::deque<std::unique_ptr<Compilation>> waiting;
  std::size_t running = 0;
  bool over = false;  // the environment is torn down
};

// A worker may end with some in flight: the last of them takes the queue away then.
thread_local Queue* own_queue = nullptr;

Queue& queue() {
  if (own_queue == nullptr) own_queue = new Queue;
  return *own_queue;
}

// Node waits for such work before it tears an environment down, which a thread of our own would have to be taught.
class Compilation {
 public:
  Compilation(napi_env env, Job job) : job_(std::move(job)) {
    if (napi_create_promise(env, &deferred_, &promise_) != napi_ok) {
      throw CodedError(kErrNative, "a promise cannot be made");
    }
  }

  napi_value promise() const { return promise_; }  // valid until the call that made it returns

  // Gives the next ones to Node's threads, as many as may run at once.
  static void start_waiting(napi_env env) {
    Queue& all = queue();
    while (all.running < kAtOnce && !all.waiting.empty()) {
      std::unique_ptr<Compilation> next = std::move(all.waiting.front());
      all.waiting.pop_front();
      next->start(env);
      next.release();  // complete() deletes it
      ++all.running;
    }
  }

  static void free_when_over() {
    if (!own_queue->over || own_queue->running > 0) return;
    delete own_queue;
    own_queue = nullptr;
  }

 private:
  void start(napi_env env) {
    napi_value name = nullptr;
    if (napi_create_string_utf8(env, "nvrtcCompile", NAPI_AUTO_LENGTH, &name) != napi_ok ||
        napi_create_async_work(env, nullptr, name, execute, complete, this, &work_) != napi_ok ||
        napi_queue_async_work(env, work_) != napi_ok) {
      throw CodedError(kErrNative, "the compilation cannot be queued");
    }
  }

  static void execute(napi_env, void* data) {
    auto& self = *static_cast<Compilation*>(data);
    try {
      self.cubin_ = compile(self.job_.source, self.job_.name, self.job_.options);
    } catch (...) {
      self.failure_ = std::current_exception();
    }
  }

  // Node calls this from C, and also while it tears a worker down, where no JavaScript may run: nobody waits for the
  // promise then, nor for those that are still to come, and an exception that left here would end the process.
  static void complete(napi_env env, napi_status status, void* data) noexcept {
    const std::unique_ptr<Compilation> self(static_cast<Compilation*>(data));
    napi_delete_async_work(env, self->work_);
    --own_queue->running;
    const bool heard = self->settle(env, status);
    try {
      if (heard) start_waiting(env);
    } catch (...) {
      rethrow_cuda(env);
    }
    free_when_over();
  }

  bool settle(napi_env env, napi_status status) noexcept {
    napi_value outcome = nullptr;
    try {
      if (status != napi_ok) throw CodedError(kErrNative, "the compilation was cancelled");
      if (failure_ != nullptr) std::rethrow_exception(failure_);
      outcome = bytes_of(env, cubin_);
      return napi_resolve_deferred(env, deferred_, outcome) == napi_ok;
    } catch (...) {
      rethrow_cuda(env);
      return napi_get_and_clear_last_exception(env, &outcome) == napi_ok &&
             napi_reject_deferred(env, deferred_, outcome) == napi_ok;
    }
  }

  Job job_;
  napi_deferred deferred_ = nullptr;
  napi_value promise_ = nullptr;
  napi_async_work work_ = nullptr;
  std::string cubin_;
  std::exception_ptr failure_;
};

napi_value compile_async(const Args& args) {
  auto compilation = std::make_unique<Compilation>(args.env(), job_of(args));
  const napi_value promise = compilation->promise();
  queue().waiting.push_back(std::move(compilation));
  Compilation::start_waiting(args.env());
  return promise;
}

}  // namespace

void drop_compilations() {
  if (own_queue == nullptr) return;
  own_queue->waiting.clear();
  own_queue->over = true;
  Compilation::free_when_over();
}

void register_nvrtc(Napi::Object exports) {
  define_cuda<open>(exports, "nvrtcOpen");
  define_cuda<opened>(exports, "nvrtcLibrary");
  define_cuda<compile_now>(exports, "nvrtcCompile");
  define_cuda<compile_async>(exports, "nvrtcCompileAsync");
}

}  // namespace qknorm::cuda
