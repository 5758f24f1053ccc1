// The register function of each file of native/addon; addon.cc calls them all.
#pragma once

#include <napi.h>

namespace qknorm {

void register_copy_bytes(Napi::Object exports);
void register_isa(Napi::Object exports);
void register_qk_norm(Napi::Object exports);

}  // namespace qknorm
