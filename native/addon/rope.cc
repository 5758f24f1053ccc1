// rope(params, x, cos, sin, positions)
#include "cpu/rope.h"

#include "addon/bindings.h"
#include "addon/params.h"
#include "addon/row_ids.h"

namespace qknorm {
namespace {

napi_value run(const Args& args) {
  Params params(args, 0, 15);
  Rope call{};
  call.dtype = params.dtype("dtype");
  call.tokens = params.integer("tokens");
  call.heads = params.integer("heads");
  const std::size_t head_dim = params.integer("headDim");
  const std::size_t rotary_dim = params.integer("rotaryDim");
  const std::size_t table_rows = params.integer("tableRows");
  call.layout = params.choice("layout", RopeLayout::kInterleaved);
  call.rounding = params.choice("rounding", RopeRounding::kHf);
  const Isa isa = params.isa();
  const std::size_t x_offset = params.integer("x offset"), token_stride = params.integer("x token stride");
  const Place x_place{x_offset, token_stride, params.integer("x head stride")};
  const Place cos_place{params.integer("cos offset"), rotary_dim / 2}, sin_place{params.integer("sin offset"), rotary_dim / 2};
  const std::size_t positions_offset = params.integer("positions offset");

  const ArrayView x_array = args.array(1, call.dtype, "x");
  const ArrayView cos_array = args.array(2, Dtype::kF32, "cos"), sin_array = args.array(3, Dtype::kF32, "sin");
  if (rotary_dim > head_dim || rotary_dim % 2 != 0) {
    throw CodedError(kErrShape, "rotaryDim must be even and at most headDim " + std::to_string(head_dim) + ", got " +
                                    std::to_string(rotary_dim));
  }
  const auto positions = row_ids(args, 4, positions_offset, call.tokens, table_rows, "positions");
  call.half = rotary_dim / 2;
  if (call.tokens == 0 || call.heads == 0 || call.half == 0) return nullptr;

  const StridedRows x = rows_in(x_array, call.dtype, x_place, call.tokens, call.heads, head_dim, "x");
  const StridedRows cos = rows_in(cos_array, Dtype::kF32, cos_place, table_rows, 1, call.half, "cos");
  const StridedRows sin = rows_in(sin_array, Dtype::kF32, sin_place, table_rows, 1, call.half, "sin");
  refuse_overlap(x, "x", cos, "cos");
  refuse_overlap(x, "x", sin, "sin");
  call.x = memory_of(x);
  call.token_stride = x_place.token_stride;
  call.head_stride = x_place.head_stride;
  call.cos = static_cast<const float*>(memory_of(cos));
  call.sin = static_cast<const float*>(memory_of(sin));
  call.positions = positions.data();
  rope(call, isa);
  return nullptr;
}

}  // namespace

void register_rope(Napi::Object exports) { define_function<run>(exports, "rope"); }

}  // namespace qknorm
