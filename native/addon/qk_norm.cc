// qkNorm(params, input, output, weight, bias [, input, output, weight, bias]): checks everything, then runs the
// kernel. The layout of `params` is written down in src/binding.ts.
#include "cpu/qk_norm.h"

#include "addon/args.h"
#include "addon/bindings.h"
#include "addon/norm_side.h"

namespace qknorm {
namespace {

constexpr std::size_t kHeaderParams = 5, kMaxSides = 2;

Isa isa_of(double number) {
  if (number == -1) return active_isa();
  const Isa isa = static_cast<Isa>(checked_integer(number, "isa", 0, kIsas - 1));
  return parse_isa(name_of(isa), "isa");
}

napi_value run(const Args& args) {
  const ArrayView array = args.array(0, napi_float64_array, "params");
  if (array.length < kHeaderParams) throw CodedError(kErrArgument, "params is too short");
  const double* params = array.as<const double>();
  const Dtype dtype = static_cast<Dtype>(checked_integer(params[0], "dtype", 0, kDtypes - 1));
  const std::size_t head_dim = checked_integer(params[1], "headDim", 1);
  const std::size_t tokens = checked_integer(params[2], "tokens");
  const std::size_t count = checked_integer(params[3], "the number of sides", 1, kMaxSides);
  const Isa isa = isa_of(params[4]);
  if (array.length < kHeaderParams + count * kNormSideParams) throw CodedError(kErrArgument, "params is too short");

  static constexpr const char* kOneName[] = {"x"};
  static constexpr const char* kTwoNames[] = {"q", "k"};
  const char* const* names = count == 1 ? kOneName : kTwoNames;
  CheckedSide checked[kMaxSides];
  NormSide sides[kMaxSides];
  for (std::size_t i = 0; i < count; ++i) {
    read_side(args, params + kHeaderParams + i * kNormSideParams, 1 + i * kNormSideArrays, dtype, head_dim, tokens, names[i],
              checked[i]);
    sides[i] = checked[i].side;
  }
  if (tokens == 0) return nullptr;
  check_memory(checked, count, names);
  qk_norm(sides, count, tokens, isa);
  return nullptr;
}

}  // namespace

void register_qk_norm(Napi::Object exports) { define_function<run>(exports, "qkNorm"); }

}  // namespace qknorm
