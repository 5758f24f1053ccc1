// What stands behind a kernel's text: it tells the driver the kernel's parameters and how to call it.
#pragma once

namespace emulator {

struct Call {
  template <class... Parameters>
  Call(void (*kernel)(Parameters...), Parameters... parameters) { kernel(parameters...); }
};

template <class... Parameters>
struct Signature {
  static constexpr unsigned count = sizeof...(Parameters);
  unsigned offsets[count + 1] = {}, bytes[count + 1] = {};

  constexpr Signature() {
    const unsigned sizes[] = {sizeof(Parameters)..., 0}, alignments[] = {alignof(Parameters)..., 1};
    unsigned end = 0;
    for (unsigned i = 0; i < count; ++i) {
      offsets[i] = (end + alignments[i] - 1) / alignments[i] * alignments[i];
      bytes[i] = sizes[i];
      end = offsets[i] + sizes[i];
    }
  }
};

template <auto Kernel> struct Described;

template <class... Parameters, void (*Kernel)(Parameters...)>
struct Described<Kernel> {
  static constexpr Signature<Parameters...> signature{};

  static void call(void* const* parameters) {
    Call{Kernel, *static_cast<const Parameters*>(*parameters++)...};
  }
  static const char* run_all(Launch* launch) {
    launch->call = call;
    return run(launch);
  }
  static constexpr EmulatedKernel of(const char* name, unsigned max_threads) {
    return {name, max_threads, signature.count, signature.offsets, signature.bytes, run_all, where};
  }
};

}  // namespace emulator

#define EMULATED_KERNEL(name, max_threads)                                                             \
  extern "C" __attribute__((visibility("default"))) const EmulatedKernel emulated_kernel =             \
      emulator::Described<&name>::of(#name, max_threads);
