#include "addon/params.h"

#include <cmath>

namespace qknorm {

Params::Params(const Args& args, std::size_t i, std::size_t count) {
  const ArrayView array = args.array(i, napi_float64_array, "params");
  if (array.length != count) {
    throw CodedError(kErrArgument, "params must have " + std::to_string(count) + " numbers, got " +
                                       std::to_string(array.length));
  }
  next_ = array.as<const double>();
}

std::size_t Params::integer(const char* name, std::size_t lo, std::size_t hi) {
  return checked_integer(*next_++, name, lo, hi);
}

float Params::number(const char* name) {
  const double value = *next_++;
  const float number = static_cast<float>(value);
  if (!std::isfinite(number)) throw CodedError(kErrArgument, std::string(name) + " must be a finite f32 number");
  return number;
}

double Params::real(const char* name) {
  const double value = *next_++;
  if (!std::isfinite(value)) throw CodedError(kErrArgument, std::string(name) + " must be a finite number");
  return value;
}

double Params::eps() {
  const double value = *next_++;
  if (!(value >= 0) || std::isinf(value)) throw CodedError(kErrArgument, "eps must be a finite number >= 0");
  return value;
}

Dtype Params::dtype(const char* name) { return static_cast<Dtype>(integer(name, 0, kDtypes - 1)); }

Isa Params::isa() {
  const double number = *next_++;
  if (number == -1) return active_isa();
  const Isa isa = static_cast<Isa>(checked_integer(number, "isa", 0, kIsas - 1));
  return is_available(isa) ? isa : parse_isa(name_of(isa), "isa");
}

const double* Params::unread(std::size_t count) {
  const double* const first = next_;
  next_ += count;
  return first;
}

StridedRows rows_in(const ArrayView& array, Dtype dtype, const Place& place, std::size_t tokens, std::size_t heads,
                    std::size_t row, const char* name) {
  return rows_in(array, bytes_of(dtype), place, tokens, heads, row, name);
}

StridedRows rows_in(const ArrayView& array, std::size_t bytes, const Place& place, std::size_t tokens,
                    std::size_t heads, std::size_t row, const char* name) {
  // A stride that is never walked may be any number.
  const std::size_t token_stride = tokens > 1 ? place.token_stride : 0, head_stride = heads > 1 ? place.head_stride : 0;
  std::size_t token_part, head_part, length;
  if (__builtin_mul_overflow(tokens - 1, token_stride, &token_part) ||
      __builtin_mul_overflow(heads - 1, head_stride, &head_part) ||
      __builtin_add_overflow(token_part, head_part, &length) || __builtin_add_overflow(length, row, &length) ||
      place.offset > array.length || length > array.length - place.offset) {
    throw CodedError(kErrLayout, std::string(name) + ": [" + std::to_string(tokens) + ", " + std::to_string(heads) +
                                     ", " + std::to_string(row) + "] from offset " + std::to_string(place.offset) +
                                     " with strides " + std::to_string(token_stride) + " and " +
                                     std::to_string(head_stride) + " does not fit into an array of " +
                                     std::to_string(array.length) + " elements");
  }
  StridedRows rows;
  rows.base = reinterpret_cast<std::uintptr_t>(array.data) + place.offset * bytes;
  rows.tokens = tokens;
  rows.heads = heads;
  rows.token_stride = token_stride * bytes;
  rows.head_stride = head_stride * bytes;
  rows.row_bytes = row * bytes;
  if (row > 0 && overlaps_itself(rows)) {
    throw CodedError(kErrLayout, std::string(name) + ": strides " + std::to_string(token_stride) + " and " +
                                     std::to_string(head_stride) + " make rows of " + std::to_string(row) +
                                     " elements overlap each other");
  }
  return rows;
}

void refuse_overlap(const StridedRows& written, const char* name, const StridedRows& other, const char* other_name) {
  if (written.row_bytes > 0 && other.row_bytes > 0 && overlap(written, other)) {
    throw CodedError(kErrOverlap, std::string(name) + " and " + other_name + " share memory");
  }
}

}  // namespace qknorm
