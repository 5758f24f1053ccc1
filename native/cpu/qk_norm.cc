#include "cpu/qk_norm.h"

#include <algorithm>

#include "cpu/kernels.h"
#include "cpu/qk_norm_affine.h"
#include "cpu/thread_pool.h"

namespace qknorm {
namespace {

// Below this much memory a second thread would be woken for less than it costs: a decode step stays on its own.
constexpr std::size_t kGrainBytes = 128 * 1024;
// q and k of a few tokens in turn: slices of one packed tensor are then read once, in order.
constexpr std::size_t kTurnBytes = 32 * 1024;

}  // namespace

void qk_norm(const NormSide* sides, std::size_t side_count, std::size_t tokens, Isa isa) {
  const NormSide* present[2];
  NormAffine affines[2];
  std::size_t count = 0, token_bytes = 0;
  for (std::size_t i = 0; i < side_count; ++i) {
    if (sides[i].heads == 0) continue;
    affines[count] = prepare_affine(sides[i]);
    present[count++] = &sides[i];
    token_bytes += sides[i].heads * sides[i].head_dim * bytes_of(sides[i].dtype);
  }
  if (count == 0 || tokens == 0) return;

  const auto kernel = kernels_of(isa).qk_norm;
  const std::size_t turn = std::max<std::size_t>(kTurnBytes / token_bytes, 1);
  const std::size_t grain = std::max<std::size_t>(kGrainBytes / token_bytes, 1);
  parallel_for(tokens, grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t first = begin; first < end; first += turn) {
      const std::size_t last = std::min(first + turn, end);
      for (std::size_t i = 0; i < count; ++i) kernel(*present[i], affines[i], first, last);
    }
  });
}

}  // namespace qknorm
