// moe(params, x, gate, up, down, chosen, weights, out)
#include "cpu/moe.h"

#include "addon/bindings.h"
#include "addon/params.h"
#include "addon/row_ids.h"

namespace qknorm {
namespace {

// Tokens times choices of this many each do not wrap around.
constexpr std::size_t kMost = std::size_t(1) << 31;

struct StackPlace {
  Dtype dtype;
  Place place;
};

StackPlace read_stack(Params& params) {
  StackPlace stack{};
  stack.dtype = params.dtype("matrix dtype");
  stack.place.offset = params.integer("matrix offset");
  stack.place.token_stride = params.integer("expert stride");
  stack.place.head_stride = params.integer("matrix row stride");
  return stack;
}

// [experts, rows, columns], which `out` may not touch.
ExpertStack stack_of(const ArrayView& array, const StackPlace& stack, std::size_t experts, std::size_t rows,
                     std::size_t columns, const StridedRows& out, const char* name) {
  const StridedRows found = rows_in(array, stack.dtype, stack.place, experts, rows, columns, name);
  refuse_overlap(out, "out", found, name);
  return {memory_of(found), stack.dtype, stack.place.token_stride, stack.place.head_stride};
}

napi_value run(const Args& args) {
  Params params(args, 0, 30);
  Moe call{};
  call.tokens = params.integer("tokens", 0, kMost);
  call.choices = params.integer("choices", 0, kMost);
  const std::size_t experts = params.integer("experts");
  call.hidden = params.integer("hidden");
  call.intermediate = params.integer("intermediate");
  call.dtype = params.dtype("x dtype");
  const Place x_place{params.integer("x offset"), params.integer("x row stride")};
  const StackPlace gate = read_stack(params), up = read_stack(params), down = read_stack(params);
  call.weights_dtype = params.dtype("weights dtype");
  const Place weights_place{params.integer("weights offset")};
  const std::size_t chosen_offset = params.integer("chosen offset");
  const Dtype out_dtype = params.dtype("out dtype");
  const Place out_place{params.integer("out offset"), params.integer("out row stride")};
  call.weighs = params.choice("weighs", MoeWeighing::kInput);
  call.activation = params.choice("activation", Activation::kTanh);
  call.rounding = params.choice("rounding", MoeRounding::kHf);
  const Isa isa = params.isa();

  if (out_dtype != call.dtype) throw CodedError(kErrDtype, "out must have the dtype of x");
  if (call.weights_dtype != Dtype::kF32 && call.weights_dtype != call.dtype) {
    throw CodedError(kErrDtype, "weights must be f32, or have the dtype of x");
  }
  const ArrayView x_array = args.array(1, call.dtype, "x");
  const ArrayView gate_array = args.array(2, gate.dtype, "gate"), up_array = args.array(3, up.dtype, "up");
  const ArrayView down_array = args.array(4, down.dtype, "down");
  const std::size_t count = call.tokens * call.choices;
  const auto chosen = row_ids(args, 5, chosen_offset, count, experts, "chosen");
  const ArrayView weights_array = args.array(6, call.weights_dtype, "weights");
  const ArrayView out_array = args.array(7, call.dtype, "out");
  if (call.tokens == 0 || call.hidden == 0) return nullptr;

  const StridedRows x = rows_in(x_array, call.dtype, x_place, call.tokens, 1, call.hidden, "x");
  const StridedRows weights = rows_in(weights_array, call.weights_dtype, weights_place, 1, 1, count, "weights");
  const StridedRows out = rows_in(out_array, call.dtype, out_place, call.tokens, 1, call.hidden, "out");
  refuse_overlap(out, "out", x, "x");
  refuse_overlap(out, "out", weights, "weights");
  if (count > 0 && call.intermediate > 0) {
    call.gate = stack_of(gate_array, gate, experts, call.intermediate, call.hidden, out, "gate");
    call.up = stack_of(up_array, up, experts, call.intermediate, call.hidden, out, "up");
    call.down = stack_of(down_array, down, experts, call.hidden, call.intermediate, out, "down");
  }
  call.x = memory_of(x);
  call.x_stride = x_place.token_stride;
  call.chosen = chosen.data();
  call.weights = memory_of(weights);
  call.out = memory_of(out);
  call.out_stride = out_place.token_stride;
  moe(call, isa);
  return nullptr;
}

}  // namespace

void register_moe(Napi::Object exports) { define_function<run>(exports, "moe"); }

}  // namespace qknorm
