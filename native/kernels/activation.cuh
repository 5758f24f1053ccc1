// Activations of a number, by transformers' meaning of their names, in f32. The forms of gelu without 1 + erf and 1 + tanh
// keep their relative error where those cancel.

constexpr int SILU = 0, GELU = 1, GELU_TANH = 2, RELU = 3, RELU_SQUARED = 4, SIGMOID = 5, SOFTPLUS = 6, TANH = 7;

// Of f32 by functions that are exact to an ulp or two, of 16 bits by approximate ones.
template <int DTYPE>
DEVICE float over_one_plus_exp(float x, float by) {
  if constexpr (DTYPE == F32) return __fdiv_rn(x, 1.0f + expf(-by));
  else return __fdividef(x, 1.0f + __expf(-by));
}

template <int KIND, int DTYPE>
DEVICE float activated(float x) {
  if constexpr (KIND == SILU) return over_one_plus_exp<DTYPE>(x, x);
  else if constexpr (KIND == GELU) return 0.5f * x * erfcf(-0.70710678f * x);
  else if constexpr (KIND == GELU_TANH) return over_one_plus_exp<DTYPE>(x, 1.59576912f * (x + 0.044715f * x * x * x));
  else if constexpr (KIND == RELU) return x < 0 ? 0 : x;
  else if constexpr (KIND == RELU_SQUARED) return x < 0 ? 0 : __fmul_rn(x, x);
  else if constexpr (KIND == SIGMOID) return over_one_plus_exp<DTYPE>(1.0f, x);
  else if constexpr (KIND == SOFTPLUS) return (x < 0 ? 0 : x) + log1pf(expf(-fabsf(x)));
  else return tanhf(x);
}
