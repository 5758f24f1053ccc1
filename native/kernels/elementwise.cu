// Functions of each element, y[i] = f(x[i]) or f(x[i], other[i]), rounded once; soft-cap rounds its steps as well. Curves of
// f32 are computed in double, those of a 16-bit format in f32, where approximate functions stay below its rounding.
//
// QK_OP          0 silu, 1 gelu (Hendrycks and Gimpel 2016), 2 its tanh form, 3 relu, 4 relu^2 (So et al. 2021), 5 sigmoid,
//                6 softplus, 7 tanh, 8 number * x, 9 number * tanh(x / number), 10 x cut to -number..number, 11 x + other,
//                12 x * other, 13 x
// QK_FROM        0 f32, 1 bf16, 2 f16: x and other
// QK_TO          the same: y
// QK_FROM_ALIGN  bytes that the addresses of x and other are multiples of: 16, 8, 4 or 2 (f32: 4 or more)
// QK_TO_ALIGN    the same for y

struct Args {
  const char* x;
  const char* other;
  char* y;
  i64 count;
  float number;
};

constexpr int SILU = 0, GELU = 1, GELU_TANH = 2, RELU = 3, RELU_SQUARED = 4, SIGMOID = 5, SOFTPLUS = 6, TANH = 7, SCALED = 8,
              SOFT_CAP = 9, CLAMP = 10, SUM = 11, PRODUCT = 12;

template <bool> struct WideOf { using type = float; };
template <> struct WideOf<true> { using type = double; };
using Wide = WideOf<QK_FROM == F32>::type;

// x / (1 + exp(-by))
DEVICE double over_one_plus_exp(double x, double by) { return x / (1 + exp(-by)); }
DEVICE float over_one_plus_exp(float x, float by) { return __fdividef(x, 1.0f + __expf(-by)); }

DEVICE float rounded(Wide value) {
  float narrow = static_cast<float>(value), other = 0;
  round_pair<QK_TO>(narrow, other);
  return narrow;
}

// The forms of gelu without 1 + erf and 1 + tanh keep their relative error where those cancel.
DEVICE Wide curve(Wide x, float number) {
  constexpr Wide HALF = 0.5, ROOT_HALF = 0.70710678118654752440, TWICE_ROOT = 1.59576912160573071176, CUBE = 0.044715;
  if constexpr (QK_OP == SILU) return over_one_plus_exp(x, x);
  else if constexpr (QK_OP == GELU) return HALF * x * erfc(-ROOT_HALF * x);
  else if constexpr (QK_OP == GELU_TANH) return over_one_plus_exp(x, TWICE_ROOT * (x + CUBE * x * x * x));
  else if constexpr (QK_OP == SIGMOID) return over_one_plus_exp(Wide(1), x);
  else if constexpr (QK_OP == SOFTPLUS) return (x < 0 ? Wide(0) : x) + log1p(exp(-fabs(x)));
  else if constexpr (QK_OP == TANH) return tanh(x);
  else return tanh(static_cast<Wide>(rounded(x / number)));
}

DEVICE float of(float x, float other, float number) {
  if constexpr (QK_OP == RELU) return x < 0 ? 0 : x;
  else if constexpr (QK_OP == RELU_SQUARED) return x < 0 ? 0 : __fmul_rn(x, x);
  else if constexpr (QK_OP == SCALED) return __fmul_rn(number, x);
  else if constexpr (QK_OP == SOFT_CAP) return __fmul_rn(number, rounded(curve(x, number)));
  else if constexpr (QK_OP == CLAMP) return x < -number ? -number : x > number ? number : x;
  else if constexpr (QK_OP == SUM) return __fadd_rn(x, other);
  else if constexpr (QK_OP == PRODUCT) return __fmul_rn(x, other);
  else if constexpr (QK_OP > PRODUCT) return x;
  else return static_cast<float>(curve(x, number));
}

extern "C" __global__ void __launch_bounds__(256) elementwise(const __grid_constant__ Args args) {
  const i64 chunk = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x, left = args.count - chunk * CHUNK;
  allow_successor();
  wait_for_predecessor();
  if (left <= 0) return;
  const int count = left < CHUNK ? static_cast<int>(left) : CHUNK;
  const i64 from = chunk * CHUNK * bytes_of(QK_FROM);
  constexpr bool BOTH = QK_OP == SUM || QK_OP == PRODUCT;
  const auto x = load_part<QK_FROM, QK_FROM_ALIGN>(args.x + from, count);
  Chunk<QK_FROM> other;
  if constexpr (BOTH) other = load_part<QK_FROM, QK_FROM_ALIGN>(args.other + from, count);
  Chunk<QK_TO> y;
#pragma unroll
  for (int pair = 0; pair < CHUNK / 2; ++pair) {
    float a, b, c = 0, d = 0;
    get_pair(x, pair, a, b);
    if constexpr (BOTH) get_pair(other, pair, c, d);
    set_pair(y, pair, of(a, c, args.number), of(b, d, args.number));
  }
  store_part<QK_TO, QK_TO_ALIGN>(args.y + chunk * CHUNK * bytes_of(QK_TO), y, count);
}
