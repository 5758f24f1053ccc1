#include "cpu/causal_conv.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/float_format.h"
#include "cpu/kernels.h"
#include "cpu/thread_pool.h"

namespace qknorm {
namespace {

constexpr std::size_t kChannels = 256;  // of one piece of work
constexpr std::size_t kGrain = 16384;   // products that are worth another thread

const char* at(const void* base, Dtype dtype, std::size_t i) {
  return static_cast<const char*>(base) + i * bytes_of(dtype);
}
char* at(void* base, Dtype dtype, std::size_t i) { return static_cast<char*>(base) + i * bytes_of(dtype); }

// Some channels, through all tokens.
class Piece {
 public:
  Piece(const CausalConv& call, const CpuKernels& kernels, std::size_t first)
      : call_(call),
        kernels_(kernels),
        first_(first),
        count_(std::min(kChannels, call.channels - first)),
        weights_(call.taps * kChannels),
        rows_(call.taps * kChannels) {
    std::vector<float> by_channel(count_ * call.taps);
    kernels.widen(call.weight_dtype)(at(call.weight, call.weight_dtype, first * call.taps), by_channel.data(),
                                     by_channel.size());
    for (std::size_t c = 0; c < count_; ++c) {
      for (std::size_t j = 0; j < call.taps; ++j) weights_[j * kChannels + c] = by_channel[c * call.taps + j];
    }
    if (call.bias != nullptr) kernels.widen(call.bias_dtype)(at(call.bias, call.bias_dtype, first), bias_, count_);
  }

  void run() {
    const std::size_t before = call_.taps - 1;
    for (std::size_t j = 0; j < before; ++j) widen(at(call_.state, call_.dtype, j * call_.channels + first_), j);
    for (std::size_t token = 0; token < call_.tokens; ++token) {
      widen(x_row(token), token + before);
      double sums[kChannels];
      for (std::size_t c = 0; c < kChannels; ++c) sums[c] = bias_[c];
      for (std::size_t j = 0; j < call_.taps; ++j) {
        const float *const weights = &weights_[j * kChannels], *const row = row_at(token + j);
        for (std::size_t c = 0; c < kChannels; ++c) sums[c] += double(weights[c]) * double(row[c]);
      }
      store(sums, at(call_.out, call_.dtype, token * call_.channels + first_));
    }
    move_state();
  }

 private:
  const char* x_row(std::size_t token) const { return at(call_.x, call_.dtype, token * call_.x_stride + first_); }

  // Rows of z that are under the weights, oldest first: row i is at i % taps.
  float* row_at(std::size_t i) { return &rows_[i % call_.taps * kChannels]; }

  void widen(const char* from, std::size_t i) { kernels_.widen(call_.dtype)(from, row_at(i), count_); }

  void store(const double* sums, char* to) const {
    float rounded[kChannels];
    const bool narrows = call_.dtype != Dtype::kF32;
    for (std::size_t c = 0; c < kChannels; ++c) rounded[c] = narrows ? narrow_to_odd(sums[c]) : static_cast<float>(sums[c]);
    kernels_.narrow(call_.dtype)(rounded, to, count_);
  }

  // The last rows of [state, x]; a row of the state moves up before its place is taken.
  void move_state() const {
    const std::size_t before = call_.taps - 1, bytes = count_ * bytes_of(call_.dtype);
    for (std::size_t j = 0; j < before; ++j) {
      const std::size_t from = call_.tokens + j;
      char* const to = at(call_.state, call_.dtype, j * call_.channels + first_);
      std::memcpy(to, from < before ? at(call_.state, call_.dtype, from * call_.channels + first_) : x_row(from - before),
                  bytes);
    }
  }

  const CausalConv& call_;
  const CpuKernels& kernels_;
  const std::size_t first_, count_;
  std::vector<float> weights_;  // [taps, kChannels]
  std::vector<float> rows_;     // [taps, kChannels]
  float bias_[kChannels] = {};
};

}  // namespace

void causal_conv(const CausalConv& call, Isa isa) {
  const CpuKernels& kernels = kernels_of(isa);
  const std::size_t pieces = (call.channels + kChannels - 1) / kChannels;
  const std::size_t grain = kGrain / (kChannels * call.taps * std::max<std::size_t>(call.tokens, 1)) + 1;
  parallel_for(pieces, grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) Piece(call, kernels, i * kChannels).run();
  });
}

}  // namespace qknorm
