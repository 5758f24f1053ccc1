// Elements one by one, and what the lanes of a warp have in common.

// One element of a row of any format.
template <int DTYPE>
DEVICE float element(const char* row, u64 i) {
  if constexpr (DTYPE == F32) return reinterpret_cast<const float*>(row)[i];
  float value, other;
  unpack<DTYPE>(load_half_word(row + 2 * i), value, other);
  return value;
}

template <int DTYPE>
DEVICE void put_element(char* row, u64 i, float value) {
  if constexpr (DTYPE == F32) reinterpret_cast<float*>(row)[i] = value;
  else store_half_word(row + 2 * i, static_cast<u16>(pack<DTYPE>(value, 0)));
}

// The sum, or the largest, of all lanes of a warp, the same in each.
DEVICE float warp_sum(float sum) {
  for (int half = 16; half > 0; half /= 2) sum = __fadd_rn(sum, __shfl_xor_sync(0xffffffffu, sum, half));
  return sum;
}

DEVICE float warp_max(float most) {
  for (int half = 16; half > 0; half /= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, half));
  return most;
}
