// writeCache(params, k, v, kCache, vCache, slots, kScales, vScales)
#include "cpu/cache_write.h"

#include "addon/bindings.h"
#include "addon/cache_target.h"

namespace qknorm {
namespace {

constexpr const char* kNames[] = {"k", "v"};

napi_value run(const Args& args) {
  Params params(args, 0, 11 + kCacheTargetParams);
  CacheWrite call;
  call.dtype = params.dtype("dtype");
  call.tokens = params.integer("tokens");
  call.heads = params.integer("heads");
  call.head_dim = params.integer("headDim");
  const Isa isa = params.isa();
  std::array<Place, 2> places;
  for (int i = 0; i < 2; ++i) {
    const std::size_t offset = params.integer(kNames[i]), token_stride = params.integer(kNames[i]);
    places[i] = {offset, token_stride, params.integer(kNames[i])};
  }
  const std::array<ArrayView, 2> arrays = {args.array(1, call.dtype, kNames[0]), args.array(2, call.dtype, kNames[1])};
  CacheTarget target;
  read_cache_target(args, params, 3, call, target);
  if (target.empty) return nullptr;
  refuse_cache_overlap(call, target);
  for (int i = 0; i < 2; ++i) {
    const StridedRows rows = rows_in(arrays[i], call.dtype, places[i], call.tokens, call.heads, call.head_dim, kNames[i]);
    refuse_cache_overlap(call, target, rows, kNames[i]);
    set_cache_rows(call.sides[i], rows);
  }
  write_cache(call, isa);
  return nullptr;
}

}  // namespace

void register_write_cache(Napi::Object exports) { define_function<run>(exports, "writeCache"); }

}  // namespace qknorm
