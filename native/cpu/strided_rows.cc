#include "cpu/strided_rows.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace qknorm {
namespace {

// From the first byte of a token to one past its last.
std::size_t token_span(const StridedRows& rows) { return (rows.heads - 1) * rows.head_stride + rows.row_bytes; }

std::size_t span(const StridedRows& rows) { return (rows.tokens - 1) * rows.token_stride + token_span(rows); }

// Whether [a, a + a_bytes) and [b, b + b_bytes), both repeated every `period` bytes without end, stay apart.
bool apart_on_period(std::uintptr_t a, std::size_t a_bytes, std::uintptr_t b, std::size_t b_bytes, std::size_t period) {
  if (period == 0 || a_bytes > period || b_bytes > period) return false;
  const std::size_t behind = (b % period + period - a % period) % period;
  return behind >= a_bytes && behind <= period - b_bytes;
}

std::vector<std::uintptr_t> sorted_starts(const StridedRows& rows) {
  std::vector<std::uintptr_t> starts;
  starts.reserve(rows.tokens * rows.heads);
  for (std::size_t token = 0; token < rows.tokens; ++token) {
    for (std::size_t head = 0; head < rows.heads; ++head) {
      starts.push_back(rows.base + token * rows.token_stride + head * rows.head_stride);
    }
  }
  std::sort(starts.begin(), starts.end());
  return starts;
}

// Strides of one token or one head are never walked; 0 keeps them out of gcd and comparison.
std::size_t walked_token_stride(const StridedRows& rows) { return rows.tokens > 1 ? rows.token_stride : 0; }
std::size_t walked_head_stride(const StridedRows& rows) { return rows.heads > 1 ? rows.head_stride : 0; }

}  // namespace

bool overlaps_itself(const StridedRows& rows) {
  const std::size_t row = rows.row_bytes;
  if (rows.tokens > 1 && rows.token_stride < row) return true;
  if (rows.heads > 1 && rows.head_stride < row) return true;
  if (rows.tokens == 1 || rows.heads == 1) return false;
  if (rows.token_stride >= token_span(rows)) return false;
  if (rows.head_stride >= (rows.tokens - 1) * rows.token_stride + row) return false;  // heads outside, tokens inside
  // More rows than room: no need to look, and too many to look at.
  if (rows.heads > span(rows) / row / rows.tokens) return true;
  const auto starts = sorted_starts(rows);
  return std::adjacent_find(starts.begin(), starts.end(), [&](auto a, auto b) { return b - a < row; }) != starts.end();
}

bool overlap(const StridedRows& a, const StridedRows& b) {
  if (a.base + span(a) <= b.base || b.base + span(b) <= a.base) return false;
  const std::size_t tokens = std::max(walked_token_stride(a), walked_token_stride(b));
  const bool one_token_stride = (a.tokens == 1 || a.token_stride == tokens) && (b.tokens == 1 || b.token_stride == tokens);
  if (one_token_stride && apart_on_period(a.base, token_span(a), b.base, token_span(b), tokens)) return false;
  const std::size_t common = std::gcd(std::gcd(walked_token_stride(a), walked_head_stride(a)),
                                      std::gcd(walked_token_stride(b), walked_head_stride(b)));
  if (apart_on_period(a.base, a.row_bytes, b.base, b.row_bytes, common)) return false;

  const auto as = sorted_starts(a), bs = sorted_starts(b);
  for (std::size_t i = 0, j = 0; i < as.size() && j < bs.size();) {
    if (as[i] + a.row_bytes <= bs[j]) {
      ++i;
    } else if (bs[j] + b.row_bytes <= as[i]) {
      ++j;
    } else {
      return true;
    }
  }
  return false;
}

bool same_rows(const StridedRows& a, const StridedRows& b) {
  return a.base == b.base && a.tokens == b.tokens && a.heads == b.heads && a.row_bytes == b.row_bytes &&
         walked_token_stride(a) == walked_token_stride(b) && walked_head_stride(a) == walked_head_stride(b);
}

}  // namespace qknorm
