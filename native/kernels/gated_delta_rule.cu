// The gated delta rule (Yang, Kautz and Hatamizadeh 2024), token after token: with S [dk, dv] of a head,
//   S = S exp(-exp(aLog) softplus(a + dtBias)),  S += k (sigmoid(b) (v - S^T k))^T,  y = scale S^T q.
// Columns of S know nothing of each other: a warp takes one, a lane every 32nd row of it, and keeps them from token to token.
//
// QK_DTYPE        0 f32, 1 bf16, 2 f16: q, k, v and y
// QK_GATES        the same: a and b
// QK_PARAMETERS   the same: aLog and dtBias
// QK_HF           1: sigmoid(b) is rounded to the format of b
// QK_HELD         ceil(dk / 32), at most 8

struct Args {
  const char* q;                // [T, K, dk]
  const char* k;
  const char* v;                // [T, N, dv]
  const char* a;                // [T, N]
  const char* b;
  const char* a_log;            // [N]
  const char* dt_bias;
  float* state;                 // [N, dk, dv]
  char* y;                      // [T, N, dv]
  i64 q_token, q_head, k_token, k_head, v_token, v_head, a_token, b_token;   // bytes
  u32 tokens, heads, group, key_dim, value_dim;   // N, N / K
  float scale;
};

extern "C" __global__ void __launch_bounds__(128) gated_delta_rule(const __grid_constant__ Args args) {
  const u32 lane = threadIdx.x % 32;
  const u32 index = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, head = index / args.value_dim, column = index % args.value_dim;
  allow_successor();
  wait_for_predecessor();
  if (head >= args.heads) return;
  const u32 key_head = head / args.group;
  const float rate = expf(element<QK_PARAMETERS>(args.a_log, head)), offset = element<QK_PARAMETERS>(args.dt_bias, head);
  float* own = args.state + static_cast<u64>(head) * args.key_dim * args.value_dim + column;
  float held[QK_HELD];
#pragma unroll
  for (u32 i = 0; i < QK_HELD; ++i) {
    const u32 row = lane + 32 * i;
    held[i] = row < args.key_dim ? own[static_cast<u64>(row) * args.value_dim] : 0;
  }
  for (u32 token = 0; token < args.tokens; ++token) {
    const char *q = args.q + token * args.q_token + key_head * args.q_head, *k = args.k + token * args.k_token + key_head * args.k_head;
    const float a = __fadd_rn(element<QK_GATES>(args.a + token * args.a_token, head), offset);
    const float softplus = __fadd_rn(a > 0 ? a : 0, log1pf(expf(-fabsf(a)))), decay = expf(-__fmul_rn(rate, softplus));
    float beta = __fdiv_rn(1.0f, 1.0f + expf(-element<QK_GATES>(args.b + token * args.b_token, head))), unused = 0;
    if constexpr (QK_HF) round_pair<QK_GATES>(beta, unused);
    float key[QK_HELD], seen = 0, sum = 0;
#pragma unroll
    for (u32 i = 0; i < QK_HELD; ++i) {
      const u32 row = lane + 32 * i;
      key[i] = row < args.key_dim ? element<QK_DTYPE>(k, row) : 0;
      held[i] = __fmul_rn(held[i], decay);
      seen = __fmaf_rn(key[i], held[i], seen);
    }
    seen = warp_sum(seen);
    const float value = element<QK_DTYPE>(args.v + token * args.v_token + head * args.v_head, column);
    const float written = __fmul_rn(beta, __fsub_rn(value, seen));
#pragma unroll
    for (u32 i = 0; i < QK_HELD; ++i) {
      const u32 row = lane + 32 * i;
      held[i] = __fmaf_rn(key[i], written, held[i]);
      if (row < args.key_dim) sum = __fmaf_rn(__fmul_rn(element<QK_DTYPE>(q, row), args.scale), held[i], sum);
    }
    sum = warp_sum(sum);
    if (lane == 0) put_element<QK_DTYPE>(args.y, (static_cast<u64>(token) * args.heads + head) * args.value_dim + column, sum);
  }
#pragma unroll
  for (u32 i = 0; i < QK_HELD; ++i) {
    const u32 row = lane + 32 * i;
    if (row < args.key_dim) own[static_cast<u64>(row) * args.value_dim] = held[i];
  }
}
