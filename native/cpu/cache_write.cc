#include "cpu/cache_write.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <vector>

#include "cpu/kernels.h"
#include "cpu/thread_pool.h"

namespace qknorm {
namespace {

constexpr std::size_t kGrainBytes = 128 * 1024;  // worth another thread, of what is read
constexpr float kLargestE4m3 = 448, kLeastMagnitude = 0x1p-96f, kMostMagnitude = 0x1.fffffep127f;

// One row of one dtype into one of another.
class RowStore {
 public:
  RowStore(const CacheWrite& call, Isa isa) : call_(call), kernels_(kernels_of(isa)) {
    if (call.cache_dtype != CacheDtype::kE4m3 && static_cast<int>(call.cache_dtype) != static_cast<int>(call.dtype)) {
      convert_ = kernels_.convert(call.dtype, static_cast<Dtype>(call.cache_dtype));
    }
  }

  void operator()(const char* row, char* place, char* scale) const {
    if (call_.cache_dtype == CacheDtype::kE4m3) {
      store_scaled(row, place, scale);
    } else if (convert_ != nullptr) {
      convert_(row, place, call_.head_dim);
    } else {
      std::memcpy(place, row, call_.head_dim * bytes_of(call_.dtype));
    }
  }

 private:
  void store_scaled(const char* row, char* place, char* scale_place) const {
    const auto dtype = static_cast<int>(call_.dtype);
    float scale;
    if (call_.scales == ScaleMode::kComputed) {
      const float largest = kernels_.cache.largest[dtype](row, call_.head_dim);
      scale = std::clamp(largest, kLeastMagnitude, kMostMagnitude) / kLargestE4m3;
      std::memcpy(scale_place, &scale, sizeof scale);
    } else {
      std::memcpy(&scale, scale_place, sizeof scale);
    }
    kernels_.cache.store_e4m3[dtype](row, reinterpret_cast<std::uint8_t*>(place), call_.head_dim, 1 / scale);
  }

  const CacheWrite& call_;
  const CpuKernels& kernels_;
  ElementwiseKernels::Convert convert_ = nullptr;
};

}  // namespace

void write_cache_tokens(const CacheWrite& call, std::size_t begin, std::size_t end, Isa isa) {
  const RowStore store(call, isa);
  for (std::size_t token = begin; token < end; ++token) {
    const std::int32_t slot = call.slots[token];
    if (slot < 0 || static_cast<std::size_t>(slot) >= call.slot_count) continue;
    for (const CacheSide& side : call.sides) {
      const char* row = side.rows + token * side.token_stride;
      char* place = side.cache + slot * side.slot_stride;
      char* scale = side.scales + slot * side.scale_slot_stride;
      for (std::size_t head = 0; head < call.heads; ++head) {
        store(row + head * side.head_stride, place + head * side.cache_head_stride, scale + head * side.scale_head_stride);
      }
    }
  }
}

bool shares_slots(const CacheWrite& call) {
  const std::int32_t *const first = call.slots, *const last = first + call.tokens;
  // Texts that grow have slots that do, but for those that go nowhere.
  if (std::adjacent_find(first, last, std::greater_equal<>()) == last) return false;
  std::vector<std::int32_t> sorted(first, last);
  std::sort(sorted.begin(), sorted.end());
  const auto real = std::lower_bound(sorted.begin(), sorted.end(), 0);
  return std::adjacent_find(real, sorted.end()) != sorted.end();
}

void write_cache(const CacheWrite& call, Isa isa) {
  const std::size_t token_bytes = 2 * call.heads * call.head_dim * bytes_of(call.dtype);
  if (call.tokens == 0 || token_bytes == 0) return;
  const std::size_t grain = shares_slots(call) ? call.tokens : kGrainBytes / token_bytes + 1;
  parallel_for(call.tokens, grain,
               [&](std::size_t begin, std::size_t end) { write_cache_tokens(call, begin, end, isa); });
}

}  // namespace qknorm
