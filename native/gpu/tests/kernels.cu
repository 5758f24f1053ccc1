// Small kernels that the GPU tests need beside those of the library.

// x *= factor.
extern "C" __global__ void scale(float* x, u32 count, float factor) {
  wait_for_predecessor();
  const u32 i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) x[i] *= factor;
}

// Holds the stream, without PDL.
extern "C" __global__ void hold(u64 nanoseconds) {
  u64 start, now;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(start));
  do {
    __nanosleep(1000);
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
  } while (now - start < nanoseconds);
}

// Lets its successor start at once, sleeps, and only then writes: a consumer that does not wait reads the old words.
extern "C" __global__ void late_producer(u32* x, const u32* source, u64 words, u32 microseconds) {
  allow_successor();
  wait_for_predecessor();
  for (u32 i = 0; i < microseconds; ++i) __nanosleep(1000);
  for (u64 i = blockIdx.x * blockDim.x + threadIdx.x; i < words; i += gridDim.x * blockDim.x) x[i] = source[i];
}

// Repeats the first `period` words over all of x. 64-bit indices: x may be larger than 2^32 bytes.
extern "C" __global__ void repeat(u32* x, u64 words, u64 period) {
  wait_for_predecessor();
  const u64 step = static_cast<u64>(gridDim.x) * blockDim.x;
  for (u64 i = period + static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x; i < words; i += step) x[i] = x[i % period];
}

// Adds to `count` the words in which x is not the repetition of `expected`; with a period of all words, the words that
// differ. And adds one to count[1] per launch, which proves that it ran.
extern "C" __global__ void count_differences(const u32* x, u64 words, const u32* expected, u64 period, u32* count) {
  wait_for_predecessor();
  const u64 first = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x;
  u32 found = 0;
  for (u64 i = first; i < words; i += static_cast<u64>(gridDim.x) * blockDim.x) found += x[i] != expected[i % period];
  if (found) atomicAdd(count, found);
  if (first == 0) atomicAdd(count + 1, 1);
}
