#include "cpu/activation.h"

#include <cmath>

namespace qknorm {
namespace {

constexpr double kRootHalf = 0.70710678118654752440;       // sqrt(1 / 2)
constexpr double kRootTwoOverPi = 0.79788456080286535588;  // sqrt(2 / pi)

double wide(Activation activation, double x) {
  switch (activation) {
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kGelu:
      return 0.5 * x * (1 + std::erf(x * kRootHalf));
    case Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(kRootTwoOverPi * (x + 0.044715 * x * x * x)));
    case Activation::kRelu:
      return x < 0 ? 0 : x;
    case Activation::kRelu2:
      return x < 0 ? 0 : x * x;
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::kSoftplus:
      return (x > 0 ? x : 0) + std::log1p(std::exp(-std::fabs(x)));
    case Activation::kTanh:
      return std::tanh(x);
  }
  return x;
}

}  // namespace

float activate(Activation activation, float x) { return static_cast<float>(wide(activation, x)); }

}  // namespace qknorm
