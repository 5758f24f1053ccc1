// xIELU (Huang et al. 2024): y = p x^2 + beta x for x > 0, else (expm1(min(x, eps)) - x) n + beta x, with
// p = softplus(alpha_p) and n = beta + softplus(alpha_n). The scalars lie on the device. A thread takes 8 elements.
//
// QK_DTYPE         0 f32, 1 bf16, 2 f16: x and y
// QK_PARAMETERS    the same: the scalars
// QK_ALIGN         bytes that the addresses of x and y are multiples of: 16, 8, 4 or 2 (f32: 4 or more)

struct Args {
  const char* x;
  char* y;
  const char* alpha_p;
  const char* alpha_n;
  const char* beta;
  const char* eps;
  i64 count;
};

// f32 is computed in double, a 16-bit format in f32.
template <bool> struct WideOf { using type = float; };
template <> struct WideOf<true> { using type = double; };
using Wide = WideOf<QK_DTYPE == F32>::type;

DEVICE Wide softplus(Wide x) { return (x > 0 ? x : Wide(0)) + log1p(exp(-fabs(x))); }

extern "C" __global__ void __launch_bounds__(256) xielu(const __grid_constant__ Args args) {
  const i64 chunk = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x, left = args.count - chunk * CHUNK;
  allow_successor();
  wait_for_predecessor();
  if (left <= 0) return;
  const Wide beta = element<QK_PARAMETERS>(args.beta, 0), eps = element<QK_PARAMETERS>(args.eps, 0);
  const Wide above = softplus(element<QK_PARAMETERS>(args.alpha_p, 0));
  const Wide below = beta + softplus(element<QK_PARAMETERS>(args.alpha_n, 0));
  const auto bent = [&](Wide x) {
    const Wide value = x > 0 ? above * x * x : (expm1(x < eps ? x : eps) - x) * below;
    return static_cast<float>(value + beta * x);
  };
  const int count = left < CHUNK ? static_cast<int>(left) : CHUNK;
  const i64 at = chunk * CHUNK * bytes_of(QK_DTYPE);
  auto x = load_part<QK_DTYPE, QK_ALIGN>(args.x + at, count);
#pragma unroll
  for (int pair = 0; pair < CHUNK / 2; ++pair) {
    float a, b;
    get_pair(x, pair, a, b);
    set_pair(x, pair, bent(a), bent(b));
  }
  store_part<QK_DTYPE, QK_ALIGN>(args.y + at, x, count);
}
