// cpuIsa(), availableIsas(), isaNumber(name): which instruction set the CPU kernels use.
#include "cpu/isa.h"

#include "addon/args.h"
#include "addon/bindings.h"

namespace qknorm {
namespace {

napi_value active(const Args& args) { return Napi::String::New(args.env(), name_of(active_isa())); }

napi_value available(const Args& args) {
  Napi::Array names = Napi::Array::New(args.env());
  for (const Isa isa : available_isas()) names.Set(names.Length(), Napi::String::New(args.env(), name_of(isa)));
  return names;
}

napi_value number_of(const Args& args) {
  return Napi::Number::New(args.env(), static_cast<double>(parse_isa(args.string(0, "isa"), "isa")));
}

}  // namespace

void register_isa(Napi::Object exports) {
  define_function<active>(exports, "cpuIsa");
  define_function<available>(exports, "availableIsas");
  define_function<number_of>(exports, "isaNumber");
}

}  // namespace qknorm
