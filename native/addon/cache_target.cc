#include "addon/cache_target.h"

#include <string>

namespace qknorm {
namespace {

constexpr const char* kCacheNames[] = {"kCache", "vCache"};
constexpr const char* kScaleNames[] = {"kScales", "vScales"};

napi_typedarray_type array_type(CacheDtype dtype) {
  return dtype == CacheDtype::kE4m3 ? napi_uint8_array : array_type(static_cast<Dtype>(dtype));
}

Place read_place(Params& params, const char* name) {
  const std::size_t offset = params.integer(name), slot_stride = params.integer(name);
  return {offset, slot_stride, params.integer(name)};
}

// What a write writes, with names.
template <typename Visit>
void each_written(const CacheWrite& write, const CacheTarget& target, Visit visit) {
  for (int i = 0; i < 2; ++i) visit(target.caches[i], kCacheNames[i]);
  for (int i = 0; i < 2 && write.scales == ScaleMode::kComputed; ++i) visit(target.scales[i], kScaleNames[i]);
}

}  // namespace

void read_cache_target(const Args& args, Params& params, std::size_t first, CacheWrite& write, CacheTarget& target) {
  write.cache_dtype = params.choice("cacheDtype", CacheDtype::kE4m3);
  write.scales = params.choice("scales", ScaleMode::kGiven);
  write.slot_count = params.integer("slotCount");
  const std::size_t slots_offset = params.integer("slots offset");
  if ((write.cache_dtype == CacheDtype::kE4m3) != (write.scales != ScaleMode::kNone)) {
    throw CodedError(kErrArgument, "a cache of e4m3 needs scales, and no other takes any");
  }
  std::array<Place, 2> caches, scales;
  for (int i = 0; i < 2; ++i) caches[i] = read_place(params, kCacheNames[i]);
  for (int i = 0; i < 2; ++i) scales[i] = read_place(params, kScaleNames[i]);

  const ArrayView slots = args.array(first + 2, napi_int32_array, "slots");
  check_range(slots_offset, write.tokens, slots.length, "slots");
  const auto* from = slots.as<const std::int32_t>() + slots_offset;
  target.slots.assign(from, from + write.tokens);
  write.slots = target.slots.data();
  target.empty = write.tokens == 0 || write.heads == 0 || write.head_dim == 0 || write.slot_count == 0;
  for (int i = 0; i < 2; ++i) {
    CacheSide& side = write.sides[i];
    const ArrayView array = args.array(first + i, array_type(write.cache_dtype), kCacheNames[i]);
    if (target.empty) continue;
    const StridedRows& cache = target.caches[i] = rows_in(array, bytes_of(write.cache_dtype), caches[i], write.slot_count,
                                                          write.heads, write.head_dim, kCacheNames[i]);
    side.cache = static_cast<char*>(memory_of(cache));
    side.slot_stride = cache.token_stride;
    side.cache_head_stride = cache.head_stride;
  }
  if (write.scales == ScaleMode::kNone) return;
  for (int i = 0; i < 2; ++i) {
    CacheSide& side = write.sides[i];
    const ArrayView array = args.array(first + 3 + i, Dtype::kF32, kScaleNames[i]);
    if (target.empty) continue;
    const StridedRows& rows = target.scales[i] =
        rows_in(array, Dtype::kF32, scales[i], write.slot_count, write.heads, 1, kScaleNames[i]);
    side.scales = static_cast<char*>(memory_of(rows));
    side.scale_slot_stride = rows.token_stride;
    side.scale_head_stride = rows.head_stride;
  }
}

void refuse_cache_overlap(const CacheWrite& write, const CacheTarget& target) {
  if (target.empty) return;
  refuse_overlap(target.caches[0], kCacheNames[0], target.caches[1], kCacheNames[1]);
  if (write.scales == ScaleMode::kNone) return;
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) refuse_overlap(target.caches[i], kCacheNames[i], target.scales[j], kScaleNames[j]);
  }
  if (write.scales == ScaleMode::kComputed) {
    refuse_overlap(target.scales[0], kScaleNames[0], target.scales[1], kScaleNames[1]);
  }
}

void refuse_cache_overlap(const CacheWrite& write, const CacheTarget& target, const StridedRows& read,
                          const char* name) {
  if (target.empty) return;
  each_written(write, target, [&](const StridedRows& written, const char* written_name) {
    refuse_overlap(written, written_name, read, name);
  });
}

void set_cache_rows(CacheSide& side, const StridedRows& rows) {
  side.rows = static_cast<const char*>(memory_of(rows));
  side.token_stride = rows.token_stride;
  side.head_stride = rows.head_stride;
}

}  // namespace qknorm
