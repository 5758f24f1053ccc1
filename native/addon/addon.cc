// The addon's table of contents: one register function per file of native/addon, nothing else.
#include <napi.h>

static Napi::Object RegisterAll(Napi::Env env, Napi::Object exports) {
  exports.Set("abi", Napi::Number::New(env, 1));
  return exports;
}

NODE_API_MODULE(qknorm, RegisterAll)
