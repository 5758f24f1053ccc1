// project(params, x, weight, bias, normWeight, normBias, residual, out)
#include "cpu/project.h"

#include "addon/bindings.h"
#include "addon/params.h"

namespace qknorm {
namespace {

enum class Swiglu { kNone = 0, kOnce = 1, kHf = 2 };

struct Vector {
  Dtype dtype;
  Place place;
};

Vector read_vector(Params& params) {
  Vector vector{};
  vector.dtype = params.dtype("vector dtype");
  vector.place.offset = params.integer("vector offset");
  return vector;
}

// [n] at argument i, or null where there is none.
const void* vector_at(const Args& args, std::size_t i, const Vector& vector, std::size_t n, const StridedRows& out,
                      const char* name) {
  if (args.is_missing(i)) return nullptr;
  const StridedRows found = rows_in(args.array(i, vector.dtype, name), vector.dtype, vector.place, 1, 1, n, name);
  refuse_overlap(out, "out", found, name);
  return memory_of(found);
}

napi_value run(const Args& args) {
  Params params(args, 0, 26);
  Project call{};
  Linear& linear = call.linear;
  linear.rows = params.integer("rows", 0, kMostProjectRows);
  linear.in = params.integer("inFeatures");
  linear.out = params.integer("outFeatures");
  linear.x_dtype = linear.y_dtype = params.dtype("x dtype");
  const Place x_place{params.integer("x offset"), params.integer("x row stride")};
  linear.weight_dtype = params.dtype("weight dtype");
  const Place weight_place{params.integer("weight offset"), params.integer("weight row stride")};
  const Vector bias = read_vector(params), norm_weight = read_vector(params), norm_bias = read_vector(params);
  const Place residual_place{params.integer("residual offset"), params.integer("residual row stride")};
  const Place y_place{params.integer("out offset"), params.integer("out row stride")};
  const auto swiglu = params.choice("swiglu", Swiglu::kHf);
  NormSide norm;
  const bool normed = params.integer("norm", 0, 1) == 1;
  norm.kind = params.choice("kind", NormKind::kUnit);
  norm.eps = params.eps();
  norm.weight_offset = static_cast<double>(params.integer("weightOffset", 0, 1));
  norm.rounding = params.choice("rounding", NormRounding::kHf);
  const Isa isa = params.isa();
  call.swiglu = swiglu != Swiglu::kNone;
  call.silu_rounding = swiglu == Swiglu::kHf ? SiluRounding::kHf : SiluRounding::kOnce;
  if (call.swiglu && linear.out % 2 != 0) throw CodedError(kErrShape, "outFeatures must be even with swiglu");
  const std::size_t width = call.swiglu ? linear.out / 2 : linear.out;

  const ArrayView x_array = args.array(1, linear.x_dtype, "x"), y_array = args.array(7, linear.x_dtype, "out");
  const ArrayView weight_array = args.array(2, linear.weight_dtype, "weight");
  if (linear.rows == 0 || linear.out == 0) return nullptr;
  if (normed && linear.in == 0) throw CodedError(kErrShape, "a norm needs rows of at least one number");
  const StridedRows x = rows_in(x_array, linear.x_dtype, x_place, linear.rows, 1, linear.in, "x");
  const StridedRows weight = rows_in(weight_array, linear.weight_dtype, weight_place, linear.out, 1, linear.in, "weight");
  const StridedRows y = rows_in(y_array, linear.x_dtype, y_place, linear.rows, 1, width, "out");
  refuse_overlap(y, "out", x, "x");
  refuse_overlap(y, "out", weight, "weight");
  if (!args.is_missing(6)) {
    const ArrayView array = args.array(6, linear.x_dtype, "residual");
    const StridedRows residual = rows_in(array, linear.x_dtype, residual_place, linear.rows, 1, width, "residual");
    if (!same_rows(y, residual)) refuse_overlap(y, "out", residual, "residual");
    call.residual = memory_of(residual);
    call.residual_stride = residual_place.token_stride;
  }
  linear.x = memory_of(x);
  linear.x_stride = x_place.token_stride;
  linear.weight = memory_of(weight);
  linear.weight_stride = weight_place.token_stride;
  linear.bias = vector_at(args, 3, bias, linear.out, y, "bias");
  linear.bias_dtype = bias.dtype;
  linear.y = memory_of(y);
  linear.y_stride = y_place.token_stride;
  if (normed) {
    norm.weight = {vector_at(args, 4, norm_weight, linear.in, y, "the norm's weight"), norm_weight.dtype};
    norm.bias = {vector_at(args, 5, norm_bias, linear.in, y, "the norm's bias"), norm_bias.dtype};
    call.norm = &norm;
  }
  project(call, isa);
  return nullptr;
}

}  // namespace

void register_project(Napi::Object exports) { define_function<run>(exports, "project"); }

}  // namespace qknorm
