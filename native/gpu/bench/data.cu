// Fills memory with random numbers, for the benchmarks: random bits make the memory work as real data does, which zeros
// do not.
//
// QK_DTYPE           0 f32 (fill_uniform alone), 1 bf16, 2 f16

// Magnitudes from 0.5 to 2: the sign, the last bit of the exponent and the mantissa are random.
constexpr u32 ONES = QK_DTYPE == BF16 ? 0x3f003f00u : 0x38003800u;
constexpr u32 RANDOM = QK_DTYPE == BF16 ? 0x80ff80ffu : 0x87ff87ffu;

// Numbers of about one, of either sign. `x` two of them to a word; a hash of the index (Wellons, "lowbias32").
extern "C" __global__ void fill_random(u32* x, u64 words, u32 seed) {
  wait_for_predecessor();
  const u64 step = static_cast<u64>(gridDim.x) * blockDim.x;
  for (u64 i = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x; i < words; i += step) {
    u32 h = static_cast<u32>(i) ^ static_cast<u32>(i >> 32) * 0x9e3779b9u ^ seed;
    h = (h ^ h >> 16) * 0x7feb352du;
    h = (h ^ h >> 15) * 0x846ca68bu;
    x[i] = ((h ^ h >> 16) & RANDOM) | ONES;
  }
}

// `elements` numbers of QK_DTYPE, uniform from `middle - reach` to `middle + reach`: weights of a model that nobody trained.
extern "C" __global__ void fill_uniform(char* x, u64 elements, float middle, float reach, u32 seed) {
  wait_for_predecessor();
  const u64 step = static_cast<u64>(gridDim.x) * blockDim.x;
  for (u64 i = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x; i < elements; i += step) {
    u32 h = static_cast<u32>(i) ^ static_cast<u32>(i >> 32) * 0x9e3779b9u ^ seed * 0x85ebca6bu;
    h = (h ^ h >> 16) * 0x7feb352du;
    h = (h ^ h >> 15) * 0x846ca68bu;
    const float value = middle + reach * (static_cast<float>((h ^ h >> 16) >> 8) * 0x1p-23f - 1.0f);
    if constexpr (QK_DTYPE == F32) {
      reinterpret_cast<float*>(x)[i] = value;
    } else {
      reinterpret_cast<u16*>(x)[i] = static_cast<u16>(pack<QK_DTYPE>(value, 0.0f));
    }
  }
}
