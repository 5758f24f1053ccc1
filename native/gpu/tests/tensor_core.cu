// c [16, 8] = a [16, 16] * b [16, 8] by one warp, as tensor_core.cuh lays fragments out; QK_DTYPE: 1 bf16, 2 f16.
extern "C" __global__ void __launch_bounds__(32) tensor_core(const char* a, const char* b, float* c) {
  __shared__ __align__(16) char tiles[16 * 32 + 16 * 16];
  char *a_tile = tiles, *b_tile = tiles + 16 * 32;
  const u32 lane = threadIdx.x;
  wait_for_predecessor();
  copy_async(b_tile + lane % 16 * 16, b + lane % 16 * 16);
  commit_copies();
  copy_async(a_tile + lane * 16, a + lane * 16);
  commit_copies();
  wait_for_copies<1>();
  __syncwarp();
  u32 of_b[2], of_a[4];
  load_matrices_transposed(of_b, b_tile + lane % 16 * 16);
  wait_for_copies<0>();
  __syncwarp();
  load_matrices(of_a, a_tile + lane % 16 * 32 + lane / 16 * 16);
  float sum[4] = {};
  multiply_16x8x16<QK_DTYPE>(sum, of_a, of_b);
  float* at = c + lane / 4 * 8 + lane % 4 * 2;
  at[0] = sum[0], at[1] = sum[1], at[64] = sum[2], at[65] = sum[3];
}
