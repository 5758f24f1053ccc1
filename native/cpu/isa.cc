#include "cpu/isa.h"

#include <cstdlib>

#include "cpu/error.h"

namespace qknorm {
namespace {

constexpr const char* kNames[kIsas] = {"scalar", "avx2", "avx512", "avx512bf16"};

// Intel's processors start a product of bf16 pairs every other cycle, and two of f32 in each; AMD's start one of either.
Isa best_isa() {
  const Isa last = available_isas().back();
#if defined(QKNORM_X86)
  if (last == Isa::kAvx512Bf16 && !__builtin_cpu_is("amd")) return Isa::kAvx512;
#endif
  return last;
}

std::string list_available() {
  std::string list;
  for (const Isa isa : available_isas()) list += (list.empty() ? "" : ", ") + std::string(name_of(isa));
  return list;
}

}  // namespace

const char* name_of(Isa isa) { return kNames[static_cast<int>(isa)]; }

// What each test asks for is what CMakeLists.txt compiles the translation units of that name with.
bool is_available(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return true;
#if defined(QKNORM_X86)
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    case Isa::kAvx512:
      return is_available(Isa::kAvx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    case Isa::kAvx512Bf16:
      return is_available(Isa::kAvx512) && __builtin_cpu_supports("avx512bf16");
#endif
    default:
      return false;
  }
}

std::vector<Isa> available_isas() {
  std::vector<Isa> found;
  for (int i = 0; i < kIsas; ++i) {
    if (is_available(static_cast<Isa>(i))) found.push_back(static_cast<Isa>(i));
  }
  return found;
}

Isa parse_isa(std::string_view name, const std::string& source) {
  for (const Isa isa : available_isas()) {
    if (name == name_of(isa)) return isa;
  }
  throw CodedError(kErrArgument, source + " is \"" + std::string(name) +
                                     "\", which this processor cannot run or this build does not know; available: " +
                                     list_available());
}

Isa active_isa() {
  // A throw leaves the static unset, so every call with a bad variable fails, not only the first.
  static const Isa isa = [] {
    const char* forced = std::getenv("QKNORM_CPU_ISA");
    return forced != nullptr && *forced != '\0' ? parse_isa(forced, "QKNORM_CPU_ISA") : best_isa();
  }();
  return isa;
}

}  // namespace qknorm
