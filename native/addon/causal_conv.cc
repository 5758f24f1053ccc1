// causalConv(params, x, weight, bias, state, out)
#include "cpu/causal_conv.h"

#include "addon/bindings.h"
#include "addon/params.h"

namespace qknorm {
namespace {

// Rows of working memory are counted in taps.
constexpr std::size_t kMostTaps = std::size_t(1) << 20;

napi_value run(const Args& args) {
  Params params(args, 0, 14);
  CausalConv call{};
  call.tokens = params.integer("tokens");
  call.channels = params.integer("channels");
  call.taps = params.integer("taps", 1, kMostTaps);
  call.dtype = params.dtype("dtype");
  const Place x_place{params.integer("x offset"), params.integer("x row stride")};
  call.weight_dtype = params.dtype("weight dtype");
  const Place weight_place{params.integer("weight offset"), call.taps};
  call.bias_dtype = params.dtype("bias dtype");
  const Place bias_place{params.integer("bias offset")};
  const Place state_place{params.integer("state offset"), call.channels};
  const Place out_place{params.integer("out offset"), call.channels};
  const Isa isa = params.isa();
  const bool biased = params.integer("biased", 0, 1) == 1;

  const ArrayView x_array = args.array(1, call.dtype, "x"), weight_array = args.array(2, call.weight_dtype, "weight");
  const ArrayView bias_array = biased ? args.array(3, call.bias_dtype, "bias") : ArrayView{};
  const ArrayView state_array = args.array(4, call.dtype, "state"), out_array = args.array(5, call.dtype, "out");
  if (call.tokens == 0 || call.channels == 0) return nullptr;
  const StridedRows x = rows_in(x_array, call.dtype, x_place, call.tokens, 1, call.channels, "x");
  const StridedRows weight = rows_in(weight_array, call.weight_dtype, weight_place, call.channels, 1, call.taps, "weight");
  const StridedRows out = rows_in(out_array, call.dtype, out_place, call.tokens, 1, call.channels, "out");
  const auto apart = [&](const StridedRows& written, const char* name) {
    refuse_overlap(written, name, x, "x");
    refuse_overlap(written, name, weight, "weight");
  };
  apart(out, "out");
  if (biased) {
    const StridedRows bias = rows_in(bias_array, call.bias_dtype, bias_place, 1, 1, call.channels, "bias");
    refuse_overlap(out, "out", bias, "bias");
    call.bias = memory_of(bias);
  }
  if (call.taps > 1) {
    const StridedRows state = rows_in(state_array, call.dtype, state_place, call.taps - 1, 1, call.channels, "state");
    apart(state, "state");
    refuse_overlap(state, "state", out, "out");
    call.state = memory_of(state);
  }
  call.x = memory_of(x);
  call.x_stride = x_place.token_stride;
  call.weight = memory_of(weight);
  call.out = memory_of(out);
  causal_conv(call, isa);
  return nullptr;
}

}  // namespace

void register_causal_conv(Napi::Object exports) { define_function<run>(exports, "causalConv"); }

}  // namespace qknorm
