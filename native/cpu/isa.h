// Which instruction sets this processor and its operating system can run, and which one the kernels use.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace qknorm {

// The numbers are part of the binding's protocol (src/binding.ts).
enum class Isa : std::uint8_t { kScalar = 0, kAvx2 = 1, kAvx512 = 2, kAvx512Bf16 = 3 };
inline constexpr int kIsas = 4;

const char* name_of(Isa isa);
bool is_available(Isa isa);
std::vector<Isa> available_isas();

// The fastest available one, unless QKNORM_CPU_ISA names another. Throws CodedError (ERR_QKNORM_ARGUMENT) if that
// variable names none or one that cannot run here. Read once, at the first call.
Isa active_isa();

// The instruction set of that name; throws CodedError (ERR_QKNORM_ARGUMENT) that names the available ones.
// `source` says where the name came from.
Isa parse_isa(std::string_view name, const std::string& source);

}  // namespace qknorm
