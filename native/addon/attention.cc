// attention(params, q, k, v, out, sinks)
#include "cpu/attention.h"

#include <vector>

#include "addon/bindings.h"
#include "addon/params.h"
#include "cpu/kernels.h"

namespace qknorm {
namespace {

// So that no sum of positions can wrap around.
constexpr std::size_t kMostTokens = std::size_t(1) << 40;

Place take_place(Params& params, const char* name) {
  const std::string text(name);
  const std::size_t offset = params.integer((text + " offset").c_str());
  const std::size_t token_stride = params.integer((text + " token stride").c_str());
  return {offset, token_stride, params.integer((text + " head stride").c_str())};
}

HeadsView view_of(const StridedRows& rows, const Place& place) {
  return {memory_of(rows), place.token_stride, place.head_stride};
}

// [query heads] numbers as f32; undefined or null means none.
std::vector<float> sinks_of(const Args& args, Dtype dtype, const Place& place, std::size_t heads, Isa isa) {
  constexpr std::size_t kArgument = 5;
  if (args.is_missing(kArgument)) return {};
  const StridedRows rows = rows_in(args.array(kArgument, dtype, "sinks"), dtype, place, 1, 1, heads, "sinks");
  std::vector<float> sinks(heads);
  kernels_of(isa).widen(dtype)(memory_of(rows), sinks.data(), heads);
  return sinks;
}

napi_value run(const Args& args) {
  Params params(args, 0, 27);
  Attention call{};
  call.dtype = params.dtype("dtype");
  call.tokens = params.integer("tokens", 0, kMostTokens);
  call.past = params.integer("past", 0, kMostTokens);
  call.query_heads = params.integer("queryHeads", 1);
  call.kv_heads = params.integer("kvHeads", 1);
  call.head_dim = params.integer("headDim", 1);
  call.scale = params.number("scale");
  call.window = params.integer("window");
  call.rounding = params.choice("rounding", AttentionRounding::kHf);
  const Isa isa = params.isa();
  const Place q_place = take_place(params, "q"), k_place = take_place(params, "k");
  const Place v_place = take_place(params, "v"), out_place = take_place(params, "out");
  call.mask = params.choice("mask", AttentionMask::kNone);
  call.chunk = params.integer("chunk");
  call.soft_cap = params.number("softCap");
  const Dtype sinks_dtype = params.dtype("sinks dtype");
  const Place sinks_place{params.integer("sinks offset")};

  const ArrayView q_array = args.array(1, call.dtype, "q"), k_array = args.array(2, call.dtype, "k");
  const ArrayView v_array = args.array(3, call.dtype, "v"), out_array = args.array(4, call.dtype, "out");
  if (call.query_heads % call.kv_heads != 0) {
    throw CodedError(kErrShape, std::to_string(call.query_heads) + " query heads do not divide among " +
                                    std::to_string(call.kv_heads) + " key/value heads");
  }
  if (call.mask == AttentionMask::kNone && (call.window != 0 || call.chunk != 0)) {
    throw CodedError(kErrArgument, "a window or chunk needs the causal mask");
  }
  if (call.soft_cap < 0) throw CodedError(kErrArgument, "softCap must be a number >= 0");
  const std::vector<float> sinks = sinks_of(args, sinks_dtype, sinks_place, call.query_heads, isa);
  call.sinks = sinks.empty() ? nullptr : sinks.data();
  if (call.tokens == 0) return nullptr;

  const std::size_t keys = call.past + call.tokens;
  const StridedRows q = rows_in(q_array, call.dtype, q_place, call.tokens, call.query_heads, call.head_dim, "q");
  const StridedRows k = rows_in(k_array, call.dtype, k_place, keys, call.kv_heads, call.head_dim, "k");
  const StridedRows v = rows_in(v_array, call.dtype, v_place, keys, call.kv_heads, call.head_dim, "v");
  const StridedRows out = rows_in(out_array, call.dtype, out_place, call.tokens, call.query_heads, call.head_dim, "out");
  refuse_overlap(out, "out", q, "q");
  refuse_overlap(out, "out", k, "k");
  refuse_overlap(out, "out", v, "v");
  call.q = view_of(q, q_place);
  call.k = view_of(k, k_place);
  call.v = view_of(v, v_place);
  call.out = view_of(out, out_place);
  attention(call, isa);
  return nullptr;
}

}  // namespace

void register_attention(Napi::Object exports) { define_function<run>(exports, "attention"); }

}  // namespace qknorm
