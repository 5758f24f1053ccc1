#include "addon/norm_side.h"

#include <cmath>
#include <string>

namespace qknorm {
namespace {

// A field of a side, for messages: "q.inputOffset".
struct Field {
  const char* side;
  const char* name;
  std::string text() const { return std::string(side) + "." + name; }
};

std::size_t integer(double value, Field field, std::size_t hi = kMostInteger) {
  // The name is put together only for a value that is refused.
  if (value >= 0 && value <= static_cast<double>(hi) && value == std::trunc(value)) {
    return static_cast<std::size_t>(value);
  }
  return checked_integer(value, field.text().c_str(), 0, hi);
}

// A view of memory as the rows of one side; throws unless all of them lie inside the array.
StridedRows rows_in(const ArrayView& array, std::size_t offset, std::size_t token_stride, std::size_t head_stride,
                    std::size_t tokens, const NormSide& side, Field field) {
  std::size_t token_part, head_part, end;
  if (__builtin_mul_overflow(tokens - 1, token_stride, &token_part) ||
      __builtin_mul_overflow(side.heads - 1, head_stride, &head_part) ||
      __builtin_add_overflow(token_part, head_part, &end) || __builtin_add_overflow(end, side.head_dim, &end) ||
      offset > array.length || end > array.length - offset) {
    throw CodedError(kErrLayout, field.text() + ": " + std::to_string(tokens) + " tokens of " +
                                     std::to_string(side.heads) + " heads of " + std::to_string(side.head_dim) +
                                     " from offset " + std::to_string(offset) + " with strides " +
                                     std::to_string(token_stride) + " and " + std::to_string(head_stride) +
                                     " do not fit into its array of " + std::to_string(array.length) + " elements");
  }
  const std::size_t bytes = bytes_of(side.dtype);
  StridedRows rows;
  rows.base = reinterpret_cast<std::uintptr_t>(array.data) + offset * bytes;
  rows.tokens = tokens;
  rows.heads = side.heads;
  // A stride that is never walked may be any number; as 0 it cannot overflow in bytes.
  rows.token_stride = tokens > 1 ? token_stride * bytes : 0;
  rows.head_stride = side.heads > 1 ? head_stride * bytes : 0;
  rows.row_bytes = side.head_dim * bytes;
  return rows;
}

// A row across heads is one head of all their elements, which must then follow one another.
std::size_t row_of_heads(const NormSide& side, std::size_t head_stride, Field field) {
  std::size_t row;
  if (__builtin_mul_overflow(side.heads, side.head_dim, &row)) {
    throw CodedError(kErrLayout, field.text() + ": " + std::to_string(side.heads) + " heads of " +
                                     std::to_string(side.head_dim) + " are more than any array holds");
  }
  if (side.heads > 1 && head_stride != side.head_dim) {
    throw CodedError(kErrLayout, field.text() + " must be the head dim " + std::to_string(side.head_dim) +
                                     " where a row runs across heads, got " + std::to_string(head_stride));
  }
  return row;
}

// [D], [H, D] or, across heads, [H*D] numbers at argument i; undefined or null means none.
NormVector vector_at(const Args& args, std::size_t i, double dtype, double head_stride, const NormSide& side,
                     Field field, Field dtype_field, Field stride_field) {
  NormVector vector;
  const std::size_t dtype_number = integer(dtype, dtype_field, kDtypes - 1);
  const std::size_t stride = integer(head_stride, stride_field);
  if (args.is_missing(i)) return vector;
  vector.dtype = static_cast<Dtype>(dtype_number);
  vector.head_stride = stride;
  const ArrayView array = args.array(i, vector.dtype, field.text().c_str());
  if (stride != 0 && stride != side.head_dim) {
    throw CodedError(kErrShape, stride_field.text() + " must be 0 ([D]) or the head dim " +
                                    std::to_string(side.head_dim) + " ([H, D]), got " + std::to_string(stride));
  }
  std::size_t wanted = side.head_dim;
  if ((stride != 0 && __builtin_mul_overflow(wanted, side.heads, &wanted)) || array.length != wanted) {
    throw CodedError(kErrShape, field.text() + " has " + std::to_string(array.length) + " elements; " +
                                    (stride == 0 ? "[D]" : "[H, D]") + " with D = " + std::to_string(side.head_dim) +
                                    " and H = " + std::to_string(side.heads) + " was announced");
  }
  vector.data = array.data;
  return vector;
}

void refuse_overlap(const StridedRows& written, const StridedRows& other, Field output, Field input) {
  if (overlap(written, other)) {
    throw CodedError(kErrOverlap, output.text() + " and " + input.text() + " share memory");
  }
}

void refuse_overlap(const StridedRows& written, const NormVector& vector, const NormSide& side, Field output,
                    Field input) {
  if (vector.data == nullptr) return;
  StridedRows rows;
  rows.base = reinterpret_cast<std::uintptr_t>(vector.data);
  rows.row_bytes = side.head_dim * (vector.head_stride == 0 ? 1 : side.heads) * bytes_of(vector.dtype);
  refuse_overlap(written, rows, output, input);
}

}  // namespace

void read_side(const Args& args, const double* p, std::size_t first, Dtype dtype, std::size_t head_dim,
               std::size_t tokens, const char* name, CheckedSide& checked) {
  NormSide& side = checked.side;
  side.dtype = dtype;
  side.head_dim = head_dim;
  side.heads = integer(p[6], {name, "heads"});
  const auto axis = static_cast<NormAxis>(integer(p[15], {name, "axis"}, 1));
  if (axis == NormAxis::kRow) {
    const std::size_t row = row_of_heads(side, integer(p[2], {name, "inputHeadStride"}), {name, "inputHeadStride"});
    row_of_heads(side, integer(p[5], {name, "outputHeadStride"}), {name, "outputHeadStride"});
    side.head_dim = row;
    side.heads = side.heads > 0 ? 1 : 0;
  }
  const ArrayView input = args.array(first, dtype, Field{name, "input"}.text().c_str());
  const ArrayView output = args.array(first + 1, dtype, Field{name, "output"}.text().c_str());
  side.weight = vector_at(args, first + 2, p[7], p[8], side, {name, "weight"}, {name, "weightDtype"},
                          {name, "weightHeadStride"});
  side.bias =
      vector_at(args, first + 3, p[9], p[10], side, {name, "bias"}, {name, "biasDtype"}, {name, "biasHeadStride"});
  side.eps = p[11];
  if (!(side.eps >= 0) || std::isinf(side.eps)) {
    throw CodedError(kErrArgument, Field{name, "eps"}.text() + " must be a finite number >= 0");
  }
  side.kind = static_cast<NormKind>(integer(p[12], {name, "kind"}, 3));
  side.weight_offset = static_cast<double>(integer(p[13], {name, "weightOffset"}, 1));
  side.rounding = static_cast<NormRounding>(integer(p[14], {name, "rounding"}, 1));

  const std::size_t input_offset = integer(p[0], {name, "inputOffset"});
  const std::size_t input_token_stride = integer(p[1], {name, "inputTokenStride"});
  const std::size_t input_head_stride = integer(p[2], {name, "inputHeadStride"});
  const std::size_t output_offset = integer(p[3], {name, "outputOffset"});
  const std::size_t output_token_stride = integer(p[4], {name, "outputTokenStride"});
  const std::size_t output_head_stride = integer(p[5], {name, "outputHeadStride"});
  checked.empty = tokens == 0 || side.heads == 0;
  if (checked.empty) return;

  checked.input =
      rows_in(input, input_offset, input_token_stride, input_head_stride, tokens, side, {name, "input"});
  checked.output =
      rows_in(output, output_offset, output_token_stride, output_head_stride, tokens, side, {name, "output"});
  side.input = reinterpret_cast<const char*>(checked.input.base);
  side.input_token_stride = checked.input.token_stride;
  side.input_head_stride = checked.input.head_stride;
  side.output = reinterpret_cast<char*>(checked.output.base);
  side.output_token_stride = checked.output.token_stride;
  side.output_head_stride = checked.output.head_stride;
}

void check_memory(const CheckedSide* sides, std::size_t count, const char* const* names) {
  for (std::size_t i = 0; i < count; ++i) {
    if (sides[i].empty) continue;
    const Field output{names[i], "output"};
    if (overlaps_itself(sides[i].output)) {
      throw CodedError(kErrOverlap, output.text() + " has heads or tokens that overlap each other");
    }
    if (!same_rows(sides[i].output, sides[i].input)) {
      refuse_overlap(sides[i].output, sides[i].input, output, {names[i], "input"});
    }
    for (std::size_t j = 0; j < count; ++j) {
      if (sides[j].empty) continue;
      refuse_overlap(sides[i].output, sides[j].side.weight, sides[j].side, output, {names[j], "weight"});
      refuse_overlap(sides[i].output, sides[j].side.bias, sides[j].side, output, {names[j], "bias"});
      if (j != i) refuse_overlap(sides[i].output, sides[j].input, output, {names[j], "input"});
    }
  }
  if (count == 2 && !sides[0].empty && !sides[1].empty) {
    refuse_overlap(sides[0].output, sides[1].output, {names[0], "output"}, {names[1], "output"});
  }
}

}  // namespace qknorm
