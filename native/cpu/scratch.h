// Working memory of one thread: grows to what was asked, and is kept for the next call up to a limit.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace qknorm {

class Scratch {
 public:
  // At least n floats on a cache line's boundary, contents unspecified; the former ones are lost. Throws std::bad_alloc.
  float* need(std::size_t n) {
    if (n > size_) {
      if (n > std::size_t(-1) / sizeof(float)) throw std::bad_alloc();
      memory_.reset();
      size_ = 0;
      memory_.reset(static_cast<float*>(::operator new(n * sizeof(float), kLine)));
      size_ = n;
    }
    return memory_.get();
  }

  // To be called when the memory is no longer in use.
  void trim() {
    if (size_ <= kKeep) return;
    memory_.reset();
    size_ = 0;
  }

 private:
  static constexpr std::align_val_t kLine{64};
  static constexpr std::size_t kKeep = std::size_t(4) << 20;
  struct Free {
    void operator()(float* p) const { ::operator delete(p, kLine); }
  };
  std::unique_ptr<float, Free> memory_;
  std::size_t size_ = 0;
};

}  // namespace qknorm
