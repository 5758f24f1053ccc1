// The bindings of native/cuda, registered together, and what they share.
#include "addon/bindings.h"
#include "addon/cuda_call.h"
#include "cuda/cublaslt.h"
#include "cuda/error.h"
#include "cuda/graph.h"
#include "cuda/launch.h"
#include "cuda/workspace.h"

namespace qknorm {
namespace {

// A worker thread that ends without freeing would otherwise take device memory with it.
void drop_all(void* env) {
  cuda::abandon_captures();
  cuda::drop_launches();
  cuda::drop_compilations();
  cuda::drop_workspaces();
  cuda::Handles<cuda::ProductPlan>::table().drop(env);
  cuda::Handles<cuda::GraphExec>::table().drop(env);
  cuda::Handles<cuda::Graph>::table().drop(env);
  cuda::Handles<cuda::Function>::table().drop(env);
  cuda::Handles<cuda::Module>::table().drop(env);
  cuda::Handles<cuda::Memory>::table().drop(env);
  cuda::Handles<cuda::Event>::table().drop(env);
  cuda::Handles<cuda::Stream>::table().drop(env);
}

}  // namespace

namespace cuda {

void rethrow_cuda(napi_env env) noexcept {
  try {
    throw;
  } catch (const CudaError& error) {
    napi_value code = nullptr, message = nullptr, thrown = nullptr, text = nullptr;
    if (napi_create_string_utf8(env, error.code(), NAPI_AUTO_LENGTH, &code) != napi_ok ||
        napi_create_string_utf8(env, error.what(), NAPI_AUTO_LENGTH, &message) != napi_ok ||
        napi_create_error(env, code, message, &thrown) != napi_ok) {
      napi_throw_error(env, error.code(), error.what());
      return;
    }
    const auto add = [&](const char* name, const std::string& value) {
      if (value.empty() || napi_create_string_utf8(env, value.c_str(), value.size(), &text) != napi_ok) return;
      napi_set_named_property(env, thrown, name, text);
    };
    add("api", error.api());
    add("status", error.name());
    napi_throw(env, thrown);
  } catch (...) {
    rethrow_to_javascript(env);
  }
}

}  // namespace cuda

void register_cuda(Napi::Object exports) {
  const napi_env env = exports.Env();
  napi_add_env_cleanup_hook(env, drop_all, env);
  cuda::register_devices(exports);
  cuda::register_graphs(exports);
  cuda::register_kernels(exports);
  cuda::register_launches(exports);
  cuda::register_memory(exports);
  cuda::register_nvrtc(exports);
  cuda::register_products(exports);
  cuda::register_streams(exports);
}

}  // namespace qknorm
