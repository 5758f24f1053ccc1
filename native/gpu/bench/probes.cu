// Small kernels that say what a launch costs before any arithmetic, and a producer that tests the order of PDL.

// Nothing but a launch.
extern "C" __global__ void probe_empty() {}

// A launch that takes part in PDL.
extern "C" __global__ void probe_wait() {
  allow_successor();
  wait_for_predecessor();
}

// 16 bytes per thread, read and written back changed: the kernel's memory traffic without its reduction.
extern "C" __global__ void probe_touch(char* x, u32 threads) {
  allow_successor();
  const u32 thread = blockIdx.x * blockDim.x + threadIdx.x;
  char* mine = x + static_cast<i64>(thread) * 16;
  wait_for_predecessor();
  if (thread >= threads) return;
  Chunk<BF16> chunk = load_chunk<BF16, 16>(mine);
  for (u32& word : chunk.word) word ^= 0x00010001u;
  store_chunk<BF16, 16>(mine, chunk);
}

// Holds the stream for a while, so that the host can queue what is to be timed.
extern "C" __global__ void probe_hold(u64 nanoseconds) {
  u64 start, now;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(start));
  do {
    __nanosleep(1000);
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
  } while (now - start < nanoseconds);
}

// Lets its successor start at once, sleeps, and only then writes: a consumer that does not wait reads the old words.
extern "C" __global__ void probe_late_producer(u32* x, const u32* source, u32 words) {
  allow_successor();
  wait_for_predecessor();
  for (int i = 0; i < 20; ++i) __nanosleep(1000);
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < words; i += gridDim.x * blockDim.x) x[i] = source[i];
}

// Needs local memory (an array with a run-time index).
extern "C" __global__ void probe_local(u32* x) {
  u32 table[256];
  for (u32 i = 0; i < 256; ++i) table[i] = x[i] % 256;
  u32 at = threadIdx.x;
  for (u32 i = 0; i < 64; ++i) at = table[at % 256];
  x[threadIdx.x] = at;
}

// Needs shared memory.
extern "C" __global__ void probe_shared(u32* x) {
  __shared__ u32 table[10000];
  for (u32 i = threadIdx.x; i < 10000; i += blockDim.x) table[i] = x[i % 256];
  __syncthreads();
  x[threadIdx.x] = table[x[threadIdx.x] % 10000];
}
