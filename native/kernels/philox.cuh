// Random numbers by their place: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
// 2011), and what is drawn from them by operations of f32 that every machine rounds alike.

struct Words {
  u32 word[4];
};

// The four numbers of a counter.
DEVICE Words philox(Words counter, u32 low_key, u32 high_key) {
  u32(&c)[4] = counter.word;
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const u32 high0 = __umulhi(0xd2511f53u, c[0]), low0 = 0xd2511f53u * c[0];
    const u32 high1 = __umulhi(0xcd9e8d57u, c[2]), low1 = 0xcd9e8d57u * c[2];
    c[0] = high1 ^ c[1] ^ low_key, c[1] = low1;
    c[2] = high0 ^ c[3] ^ high_key, c[3] = low0;
    low_key += 0x9e3779b9u, high_key += 0xbb67ae85u;
  }
  return counter;
}

// x * (x * (x * ... + b) + a), no step fused.
template <int COUNT>
DEVICE float polynomial(float x, const float (&factors)[COUNT]) {
  float sum = factors[0];
#pragma unroll
  for (int i = 1; i < COUNT; ++i) sum = __fadd_rn(__fmul_rn(sum, x), factors[i]);
  return sum;
}

// The logarithm of a normal number above 0, to 2 ulp. The factors are those of Cephes (Moshier, logf).
DEVICE float exact_log(float x) {
  const u32 bits = __float_as_uint(x);
  float exponent = static_cast<float>(static_cast<int>(bits >> 23) - 126);
  float m = __uint_as_float((bits & 0x007fffffu) | 0x3f000000u);
  if (m < 0.707106781f) {
    exponent = __fsub_rn(exponent, 1.0f);
    m = __fadd_rn(m, m);
  }
  m = __fsub_rn(m, 1.0f);
  const float square = __fmul_rn(m, m);
  const float factors[9] = {7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f,
                            -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f};
  float y = __fmul_rn(__fmul_rn(polynomial(m, factors), m), square);
  y = __fadd_rn(y, __fmul_rn(exponent, -2.12194440e-4f));
  y = __fsub_rn(y, __fmul_rn(square, 0.5f));
  return __fadd_rn(__fadd_rn(m, y), __fmul_rn(exponent, 0.693359375f));
}

// exp(x) for x from -80 to 0, to 2 ulp. The factors are those of Cephes (expf).
DEVICE float exact_exp(float x) {
  const float n = floorf(__fadd_rn(__fmul_rn(x, 1.44269504f), 0.5f));
  x = __fsub_rn(__fsub_rn(x, __fmul_rn(n, 0.693359375f)), __fmul_rn(n, -2.12194440e-4f));
  const float factors[6] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                            4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
  const float y = __fadd_rn(__fadd_rn(__fmul_rn(polynomial(x, factors), __fmul_rn(x, x)), x), 1.0f);
  return __fmul_rn(y, __uint_as_float(static_cast<u32>(static_cast<int>(n) + 127) << 23));
}

// -log(-log(u)) of the uniform u that a random word stands for, both ends of which are told apart as finely.
DEVICE float gumbel(u32 word) {
  const bool upper = word >> 31;
  const float u = __fmul_rn(__fadd_rn(__uint2float_rn(upper ? ~word : word), 0.5f), 2.3283064365386963e-10f);
  float exponential;
  if (!upper) {
    exponential = -exact_log(u);
  } else {
    const float rest = __fsub_rn(1.0f, u);  // log1p as Kahan has it
    exponential = rest == 1.0f ? u : __fdiv_rn(__fmul_rn(exact_log(rest), u), __fsub_rn(rest, 1.0f));
  }
  return -exact_log(exponential);
}
