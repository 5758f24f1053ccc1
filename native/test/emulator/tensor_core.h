// The functions of native/kernels/tensor_core.cuh for the stand-in device. A product is summed in double and rounded to f32
// once, where a device adds in an order of its own. A copy arrives when it is waited for, and not before.
#pragma once

#include "copies.h"

namespace emulator {

struct Product { const u32 *a, *b; float* c; };

template <int DTYPE>
static float element(const u32* words, int index) {
  float low, high;
  unpack<DTYPE>(words[index / 2], low, high);
  return index % 2 ? high : low;
}

template <int DTYPE>
static void join_product(void* (&lanes)[32]) {
  const auto of = [&](int lane) { return static_cast<Product*>(lanes[lane]); };
  double a[16][16], b[16][8], c[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane / 4, pair = lane % 4 * 2;
    for (int i = 0; i < 8; ++i) {  // word i / 2, of which rows 8 apart and then columns 8 apart follow
      a[group + i / 2 % 2 * 8][pair + i / 4 * 8 + i % 2] = element<DTYPE>(of(lane)->a, i);
    }
    for (int i = 0; i < 4; ++i) {
      b[pair + i / 2 * 8 + i % 2][group] = element<DTYPE>(of(lane)->b, i);
      c[group + i / 2 * 8][pair + i % 2] = of(lane)->c[i];
    }
  }
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      for (int k = 0; k < 16; ++k) c[row][column] += a[row][k] * b[k][column];
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) of(lane)->c[i] = static_cast<float>(c[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2]);
  }
}

struct Matrices { const u16* row; u32* to; };

template <int COUNT, bool TRANSPOSED>
static void join_matrices(void* (&lanes)[32]) {
  for (int lane = 0; lane < 32; ++lane) {
    for (int m = 0; m < COUNT; ++m) {
      u32 word = 0;
      for (int i = 0; i < 2; ++i) {
        const int group = lane / 4, pair = lane % 4 * 2 + i;
        const int row = TRANSPOSED ? pair : group, column = TRANSPOSED ? group : pair;
        word |= static_cast<u32>(static_cast<Matrices*>(lanes[8 * m + row])->row[column]) << 16 * i;
      }
      static_cast<Matrices*>(lanes[lane])->to[m] = word;
    }
  }
}

template <int COUNT, bool TRANSPOSED>
static void load_matrices(u32 (&to)[COUNT], const void* row, int line) {
  if (lane_id() < 8 * COUNT) expect_aligned<16>(row);
  u32 got[COUNT];
  Matrices mine = {static_cast<const u16*>(row), got};
  meet(join_matrices<COUNT, TRANSPOSED>, 0xffffffffu, line, &mine);
  for (int m = 0; m < COUNT; ++m) to[m] = got[m];
}

}  // namespace emulator

template <int DTYPE>
static inline void multiply_16x8x16(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2], int line = __builtin_LINE()) {
  static_assert(DTYPE == BF16 || DTYPE == F16, "of 16 bits");
  emulator::Product mine = {a, b, c};
  emulator::meet(emulator::join_product<DTYPE>, 0xffffffffu, line, &mine);
}

template <int COUNT>
static inline void load_matrices(u32 (&to)[COUNT], const void* row, int line = __builtin_LINE()) {
  emulator::load_matrices<COUNT, false>(to, row, line);
}

template <int COUNT>
static inline void load_matrices_transposed(u32 (&to)[COUNT], const void* row, int line = __builtin_LINE()) {
  emulator::load_matrices<COUNT, true>(to, row, line);
}

static inline void copy_async(void* shared, const void* global, int bytes = 16) {
  expect_aligned<16>(shared), expect_aligned<16>(global);
  emulator::start_copy(shared, global, bytes);
}
static inline void commit_copies() { emulator::commit_copies(); }
template <int PENDING>
static inline void wait_for_copies() { emulator::wait_for_copies(PENDING); }
