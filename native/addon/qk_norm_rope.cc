// qkNormRope(params, q input, output, weight, bias, k input, output, weight, bias, cos, sin, positions, v, kCache, vCache,
// slots, kScales, vScales)
#include "cpu/qk_norm_rope.h"

#include "addon/bindings.h"
#include "addon/cache_target.h"
#include "addon/norm_side.h"
#include "addon/row_ids.h"

namespace qknorm {
namespace {

constexpr std::size_t kRopeParams = 7;
constexpr std::size_t kParams = 5 + 2 * (1 + kNormSideParams) + kRopeParams + 4 + kCacheTargetParams;
constexpr std::size_t kRopeArrays = 1 + 2 * kNormSideArrays, kValues = kRopeArrays + 3, kCache = kValues + 1;
constexpr const char* kNames[] = {"q", "k"};
constexpr const char* kOutputs[] = {"q's output", "k's output"};

// The memory of both sides.
struct Sides {
  CheckedSide checked[2];
  std::size_t heads[2];
};

Sides read_sides(const Args& args, Params& params, Dtype dtype, std::size_t head_dim, std::size_t tokens,
                 QkNormRope& call) {
  Sides sides;
  for (int i = 0; i < 2; ++i) {
    call.sides[i].normalizes = params.integer("normalizes", 0, 1) == 1;
    const double* numbers = params.unread(kNormSideParams);
    read_side(args, numbers, 1 + i * kNormSideArrays, dtype, head_dim, tokens, kNames[i], sides.checked[i]);
    call.sides[i].norm = sides.checked[i].side;
    sides.heads[i] = checked_integer(numbers[6], "heads");
  }
  check_memory(sides.checked, 2, kNames);
  return sides;
}

// The heads of what comes out, where a norm may run across them.
StridedRows heads_of(const CheckedSide& side, std::size_t heads, std::size_t head_dim, Dtype dtype) {
  StridedRows rows = side.output;
  if (rows.heads == heads) return rows;
  rows.heads = heads;
  rows.row_bytes = rows.head_stride = head_dim * bytes_of(dtype);
  return rows;
}

void read_rope(const Args& args, Params& params, Dtype dtype, std::size_t head_dim, QkNormRope& call, const Sides& sides,
               std::vector<std::int32_t>& positions) {
  const std::size_t half = params.integer("half", 0, head_dim / 2);
  const RopeLayout layout = params.choice("layout", RopeLayout::kInterleaved);
  const RopeRounding rounding = params.choice("rope rounding", RopeRounding::kHf);
  const std::size_t places = params.integer("tableRows");
  const Place cos_place{params.integer("cos offset"), half}, sin_place{params.integer("sin offset"), half};
  const std::size_t offset = params.integer("positions offset");
  if (half == 0) return;
  const ArrayView cos_array = args.array(kRopeArrays, Dtype::kF32, "cos");
  const ArrayView sin_array = args.array(kRopeArrays + 1, Dtype::kF32, "sin");
  positions = row_ids(args, kRopeArrays + 2, offset, call.tokens, places, "positions");
  if (call.tokens == 0) return;
  const StridedRows cos = rows_in(cos_array, Dtype::kF32, cos_place, places, 1, half, "cos");
  const StridedRows sin = rows_in(sin_array, Dtype::kF32, sin_place, places, 1, half, "sin");
  const std::size_t bytes = bytes_of(dtype);
  for (int i = 0; i < 2; ++i) {
    if (sides.checked[i].empty) continue;
    const StridedRows x = heads_of(sides.checked[i], sides.heads[i], head_dim, dtype);
    refuse_overlap(x, kOutputs[i], cos, "cos");
    refuse_overlap(x, kOutputs[i], sin, "sin");
    call.sides[i].rope = {dtype,
                          call.tokens,
                          sides.heads[i],
                          half,
                          memory_of(x),
                          x.token_stride / bytes,
                          x.head_stride / bytes,
                          static_cast<const float*>(memory_of(cos)),
                          static_cast<const float*>(memory_of(sin)),
                          positions.data(),
                          layout,
                          rounding};
  }
}

void read_write(const Args& args, Params& params, Dtype dtype, std::size_t head_dim, QkNormRope& call, const Sides& sides,
                CacheTarget& target) {
  call.stores = params.integer("stores", 0, 1) == 1;
  const std::size_t offset = params.integer("v offset"), token_stride = params.integer("v token stride");
  const Place v_place{offset, token_stride, params.integer("v head stride")};
  if (!call.stores) return;
  CacheWrite& write = call.write;
  write.dtype = dtype;
  write.tokens = call.tokens;
  write.heads = sides.heads[1];
  write.head_dim = head_dim;
  const ArrayView v_array = args.array(kValues, dtype, "v");
  read_cache_target(args, params, kCache, write, target);
  call.stores = !target.empty;
  if (target.empty) return;
  refuse_cache_overlap(write, target);
  const StridedRows v = rows_in(v_array, dtype, v_place, call.tokens, write.heads, head_dim, "v");
  refuse_cache_overlap(write, target, v, "v");
  for (int i = 0; i < 2; ++i) {
    if (sides.checked[i].empty) continue;
    refuse_overlap(sides.checked[i].output, kOutputs[i], v, "v");
    refuse_cache_overlap(write, target, sides.checked[i].output, kOutputs[i]);
    refuse_cache_overlap(write, target, sides.checked[i].input, kNames[i]);
  }
  set_cache_rows(write.sides[0], heads_of(sides.checked[1], write.heads, head_dim, dtype));
  set_cache_rows(write.sides[1], v);
}

napi_value run(const Args& args) {
  Params params(args, 0, kParams);
  QkNormRope call;
  const Dtype dtype = params.dtype("dtype");
  const std::size_t head_dim = params.integer("headDim", 1);
  call.tokens = params.integer("tokens");
  call.order = params.choice("order", ChainOrder::kRopeNorm);
  const Isa isa = params.isa();
  const Sides sides = read_sides(args, params, dtype, head_dim, call.tokens, call);
  std::vector<std::int32_t> positions;
  read_rope(args, params, dtype, head_dim, call, sides, positions);
  CacheTarget target;
  read_write(args, params, dtype, head_dim, call, sides, target);
  qk_norm_rope(call, isa);
  return nullptr;
}

}  // namespace

void register_qk_norm_rope(Napi::Object exports) { define_function<run>(exports, "qkNormRope"); }

}  // namespace qknorm
