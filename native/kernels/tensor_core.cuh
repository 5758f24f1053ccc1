// Products of matrices by a warp, and copies into shared memory that nobody waits for; sm_80 and later. The stand-in device
// has the same functions in plain C++ (native/test/emulator/tensor_core.h).
//
// A fragment is what one lane holds of a matrix: with group = lane / 4 and pair = 2 * (lane % 4),
//   a [16, 16]: a[0] = (group, pair..+1)  a[1] = (group + 8, pair..+1)  a[2] = (group, pair + 8..+9)  a[3] = (group + 8, pair + 8..+9)
//   b [16, 8]:  b[0] = (pair..+1, group)  b[1] = (pair + 8..+9, group)
//   c [16, 8]:  c[0], c[1] = (group, pair..+1)  c[2], c[3] = (group + 8, pair..+1), f32
// two 16-bit elements to a word, the lower one first (PTX ISA, "Matrix fragments for mma.m16n8k16").

#ifdef QK_EMULATED
#include "tensor_core.h"
#else

// c += a * b, products and sums in f32. DTYPE: BF16 or F16. All lanes of a warp.
template <int DTYPE>
DEVICE void multiply_16x8x16(float (&c)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  static_assert(DTYPE == BF16 || DTYPE == F16, "of 16 bits");
  if constexpr (DTYPE == BF16) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  } else {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
}

DEVICE u32 shared_address(const void* address) { return static_cast<u32>(__cvta_generic_to_shared(address)); }

// COUNT (1, 2 or 4) matrices of 8 x 8 16-bit elements from shared memory: lane 8 * m + r brings the address of row r of
// matrix m, 16-byte aligned, and gets from matrix m the elements (lane / 4, 2 * (lane % 4)..+1) in to[m]. Lanes past
// 8 * COUNT bring an address that is not used. All lanes of a warp.
template <int COUNT>
DEVICE void load_matrices(u32 (&to)[COUNT], const void* row) {
  const u32 at = shared_address(row);
  if constexpr (COUNT == 4) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(at) : "memory");
  } else if constexpr (COUNT == 2) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(to[0]), "=r"(to[1]) : "r"(at) : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(to[0]) : "r"(at) : "memory");
  }
}

// The same of the matrices turned: a lane gets the elements (2 * (lane % 4)..+1, lane / 4).
template <int COUNT>
DEVICE void load_matrices_transposed(u32 (&to)[COUNT], const void* row) {
  const u32 at = shared_address(row);
  if constexpr (COUNT == 4) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(at) : "memory");
  } else if constexpr (COUNT == 2) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];" : "=r"(to[0]), "=r"(to[1]) : "r"(at) : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];" : "=r"(to[0]) : "r"(at) : "memory");
  }
}

// Starts to copy 16 bytes, both ends aligned, past the L1; `bytes`, 0 to 16, are read and zeros stand for the rest. They are
// there after wait_for_copies and a barrier.
DEVICE void copy_async(void* shared, const void* global, int bytes = 16) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :: "r"(shared_address(shared)), "l"(global), "r"(bytes) : "memory");
}

// What this thread has started to copy since the last commit is one group.
DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most PENDING of this thread's newest groups are not there yet.
template <int PENDING>
DEVICE void wait_for_copies() { asm volatile("cp.async.wait_group %0;" :: "n"(PENDING) : "memory"); }

#endif  // QK_EMULATED
