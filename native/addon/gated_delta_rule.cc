// gatedDeltaRule(params, q, k, v, a, b, aLog, dtBias, state, out)
#include "cpu/gated_delta_rule.h"

#include "addon/bindings.h"
#include "addon/params.h"

namespace qknorm {
namespace {

constexpr std::size_t kInputs = 7;
constexpr const char* kNames[kInputs] = {"q", "k", "v", "a", "b", "aLog", "dtBias"};
// Tokens times heads of this many each do not wrap around.
constexpr std::size_t kMost = std::size_t(1) << 31;

struct Input {
  Dtype dtype;
  Place place;
  ArrayView array;
};

Input read_input(const Args& args, Params& params, std::size_t i) {
  Input input{};
  input.dtype = params.dtype("dtype");
  input.place.offset = params.integer(kNames[i]);
  input.place.token_stride = params.integer(kNames[i]);
  input.place.head_stride = params.integer(kNames[i]);
  input.array = args.array(1 + i, input.dtype, kNames[i]);
  return input;
}

napi_value run(const Args& args) {
  Params params(args, 0, 9 + 4 * kInputs);
  GatedDeltaRule call{};
  call.tokens = params.integer("tokens", 0, kMost);
  call.key_heads = params.integer("key heads", 1, kMost);
  call.heads = params.integer("heads", 0, kMost);
  call.key_dim = params.integer("key dim", 0, kMost);
  call.value_dim = params.integer("value dim", 0, kMost);
  call.scale = params.real("scale");
  call.rounding = params.choice("rounding", DeltaRounding::kHf);
  const Isa isa = params.isa();
  const std::size_t state_offset = params.integer("state offset");
  Input inputs[kInputs];
  for (std::size_t i = 0; i < kInputs; ++i) inputs[i] = read_input(args, params, i);
  const ArrayView state_array = args.array(1 + kInputs, Dtype::kF32, "state");
  const ArrayView out_array = args.array(2 + kInputs, inputs[2].dtype, "out");
  if (call.heads % call.key_heads != 0) throw CodedError(kErrShape, "heads must be a multiple of the key heads");
  if (call.tokens == 0 || call.heads == 0 || call.value_dim == 0) return nullptr;

  const Dtype dtype = inputs[2].dtype;
  const Place dense{0, call.heads * call.value_dim, call.value_dim};
  const StridedRows out = rows_in(out_array, dtype, dense, call.tokens, call.heads, call.value_dim, "out");
  StridedRows state{};
  if (call.key_dim > 0) {
    state = rows_in(state_array, Dtype::kF32, {state_offset, call.value_dim}, call.heads * call.key_dim, 1, call.value_dim,
                    "state");
    refuse_overlap(out, "out", state, "state");
    call.state = static_cast<float*>(memory_of(state));
  }
  DeltaOperand* const operands[kInputs] = {&call.q, &call.k, &call.v, &call.a, &call.b, &call.a_log, &call.dt_bias};
  const std::size_t heads[kInputs] = {call.key_heads, call.key_heads, call.heads, call.heads,
                                      call.heads,     call.heads,     call.heads};
  const std::size_t rows[kInputs] = {call.key_dim, call.key_dim, call.value_dim, 1, 1, 1, 1};
  for (std::size_t i = 0; i < kInputs; ++i) {
    const Input& input = inputs[i];
    const bool per_token = i < 5;
    if (rows[i] == 0) continue;
    const StridedRows found =
        rows_in(input.array, input.dtype, input.place, per_token ? call.tokens : 1, heads[i], rows[i], kNames[i]);
    refuse_overlap(out, "out", found, kNames[i]);
    if (state.row_bytes > 0) refuse_overlap(state, "state", found, kNames[i]);
    const std::size_t bytes = bytes_of(input.dtype);
    *operands[i] = {memory_of(found), input.dtype, found.token_stride / bytes, found.head_stride / bytes};
  }
  call.out = memory_of(out);
  gated_delta_rule(call, isa);
  return nullptr;
}

}  // namespace

void register_gated_delta_rule(Napi::Object exports) { define_function<run>(exports, "gatedDeltaRule"); }

}  // namespace qknorm
