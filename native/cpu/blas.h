// OpenBLAS, if this machine has it: found and opened at run time, never linked. Looked for once, at the first ask.
#pragma once

#include <string>
#include <vector>

namespace qknorm {

struct Blas {
  // cblas_sgemm with 32-bit integers: order, transpose a, transpose b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc.
  using Sgemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int);
  static constexpr int kRowMajor = 101, kNoTranspose = 111, kTranspose = 112;

  Sgemm sgemm = nullptr;           // null: there is none
  std::string library;             // what was opened
  std::vector<std::string> tried;  // each path, with the reason it was passed over
};

// QKNORM_BLAS=off disables it; QKNORM_OPENBLAS names the only path to try.
const Blas& blas();

}  // namespace qknorm
