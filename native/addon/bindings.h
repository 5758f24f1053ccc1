// The register function of each file of native/addon; addon.cc calls them all.
#pragma once

#include <napi.h>

namespace qknorm {

void register_attention(Napi::Object exports);
void register_causal_conv(Napi::Object exports);
void register_copy_bytes(Napi::Object exports);
void register_cuda(Napi::Object exports);
void register_elementwise(Napi::Object exports);
void register_gated_delta_rule(Napi::Object exports);
void register_huge_pages(Napi::Object exports);
void register_isa(Napi::Object exports);
void register_linear(Napi::Object exports);
void register_moe(Napi::Object exports);
void register_pointwise(Napi::Object exports);
void register_project(Napi::Object exports);
void register_qk_norm(Napi::Object exports);
void register_qk_norm_rope(Napi::Object exports);
void register_rope(Napi::Object exports);
void register_write_cache(Napi::Object exports);

}  // namespace qknorm
