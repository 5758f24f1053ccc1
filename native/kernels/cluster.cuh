// Blocks of a cluster, which run at the same time and write into each other's shared memory; sm_90 and later.
//
// QK_CLUSTER   blocks of a cluster, one after the other in the grid's first dimension; 0: there are none
//
// The stand-in device runs blocks one after the other, in their order, with one shared memory for all blocks of a cluster
// (native/test/emulator/cluster.h). So a kernel that runs there, too, has only its last block read what others write, and
// none of the others wait for anything but for all to have begun.

#if QK_CLUSTER > 0
#define IN_CLUSTERS __cluster_dims__(QK_CLUSTER, 1, 1)
#else
#define IN_CLUSTERS
#endif

#ifdef QK_EMULATED
#include "cluster.h"
#else

// Says that this thread has come so far; what it wrote before, all who wait for it then see. It does not wait.
DEVICE void arrive_in_cluster() {
#if QK_CLUSTER > 0
  asm volatile("barrier.cluster.arrive.release;" ::: "memory");
#endif
}

// Waits until all threads of the cluster that have not ended arrived as often as this one. One wait for each arrival.
DEVICE void wait_in_cluster() {
#if QK_CLUSTER > 0
  asm volatile("barrier.cluster.wait.acquire;" ::: "memory");
#endif
}

// Stores COUNT (1 or 4) numbers, aligned as one, into the shared memory of block `rank` of the cluster, where this block has
// `place`. That block has begun, and has not ended.
template <int COUNT>
DEVICE void store_to_block(float* place, u32 rank, const float (&values)[COUNT]) {
#if QK_CLUSTER > 0
  u32 at;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;"
               : "=r"(at) : "r"(static_cast<u32>(__cvta_generic_to_shared(place))), "r"(rank));
  if constexpr (COUNT == 4) {
    asm volatile("st.shared::cluster.v4.f32 [%0], {%1,%2,%3,%4};"
                 :: "r"(at), "f"(values[0]), "f"(values[1]), "f"(values[2]), "f"(values[3]) : "memory");
  } else {
    asm volatile("st.shared::cluster.f32 [%0], %1;" :: "r"(at), "f"(values[0]) : "memory");
  }
#endif
}

#endif  // QK_EMULATED
