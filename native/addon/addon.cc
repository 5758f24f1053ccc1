// The addon's table of contents: one register function per file of native/addon, nothing else.
#include <napi.h>

#include "addon/bindings.h"

static Napi::Object RegisterAll(Napi::Env env, Napi::Object exports) {
  exports.Set("abi", Napi::Number::New(env, 13));
  qknorm::register_attention(exports);
  qknorm::register_causal_conv(exports);
  qknorm::register_copy_bytes(exports);
  qknorm::register_cuda(exports);
  qknorm::register_elementwise(exports);
  qknorm::register_gated_delta_rule(exports);
  qknorm::register_huge_pages(exports);
  qknorm::register_isa(exports);
  qknorm::register_linear(exports);
  qknorm::register_moe(exports);
  qknorm::register_pointwise(exports);
  qknorm::register_project(exports);
  qknorm::register_qk_norm(exports);
  qknorm::register_qk_norm_rope(exports);
  qknorm::register_rope(exports);
  qknorm::register_write_cache(exports);
  return exports;
}

NODE_API_MODULE(qknorm, RegisterAll)
