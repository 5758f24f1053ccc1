import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Program } from "../gpu/program.ts";
import { CudaMemory, CudaStream, Jit } from "../src/index.ts";
import { failureOf, missing, notes, scripted } from "./cuda-fake.ts";

const jit = new Jit({ folder: null, seeds: [], shipped: null });
const shared = ["ptx.cuh", "elements.cuh"].map((name) =>
  readFileSync(new URL(`../kernels/${name}`, import.meta.url), "utf8"),
);

/** A kernel over `x`, of whose text only the body is given. */
function kernel(body: string, before = ""): Program {
  const text = `${before}
    extern "C" __global__ void __launch_bounds__(1024) probe(float* x, u32 n) {
      allow_successor();
      wait_for_predecessor();
      ${body}
    }`;
  return new Program(jit, [...shared, text].join("\n"), "probe", ["address", "u32"]);
}

interface Shape {
  readonly blocks?: number | readonly number[];
  readonly threads?: number;
  readonly shared?: number;
}

/** What lies in x after a launch over it. */
function after(program: Program, x: readonly number[], shape: Shape = {}): number[] {
  const { blocks = 1, threads = 32, shared = 0 } = shape;
  using stream = new CudaStream(0);
  using memory = new CudaMemory(stream, 4 * x.length);
  memory.upload(Float32Array.from(x), stream);
  program.launch([{ memory }, x.length], blocks, threads).geometry(blocks, threads, shared).run(stream);
  const got = new Float32Array(x.length);
  memory.download(got, stream);
  return [...got];
}

const zeros = (n: number): number[] => Array(n).fill(0);
const counting = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe.skipIf(missing !== "")(`kernels on the stand-in device${missing}`, () => {
  it("run by their own text, every thread of every block", () => {
    const program = kernel(`
      const u32 i = (blockIdx.y * gridDim.x + blockIdx.x) * blockDim.x + threadIdx.x;
      if (i < n) x[i] = x[i] * 2 + 1000 * blockIdx.y;`);
    const got = after(program, counting(12 * 40), { blocks: [3, 4], threads: 40 });
    expect(got).toEqual(counting(480).map((i) => 2 * i + 1000 * Math.floor(i / 120)));
  });

  it("share memory and wait for one another at barriers", () => {
    const program = kernel(`
      __shared__ float sums[64];
      float* reversed = reinterpret_cast<float*>(dynamic_shared());
      reversed[blockDim.x - 1 - threadIdx.x] = x[threadIdx.x];
      __syncthreads();
      sums[threadIdx.x] = reversed[threadIdx.x];
      for (u32 half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
      }
      __syncthreads();
      x[threadIdx.x] = reversed[threadIdx.x] + sums[0];`);
    const expected = counting(64).map((i) => 63 - i + (63 * 64) / 2);
    expect(after(program, counting(64), { threads: 64, shared: 256 })).toEqual(expected);
  });

  it("exchange values in warps: shuffles, ballots and reductions of any mask", () => {
    const program = kernel(`
      const u32 lane = threadIdx.x;
      float sum = x[lane];
      for (int half = 16; half > 0; half /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, half);
      const float below = __shfl_up_sync(0xffffffffu, x[lane], 1), of_eight = __shfl_sync(0xffffffffu, x[lane], 3, 8);
      u32 odd = __ballot_sync(0xffffffffu, lane % 2);
      if (lane < 8) odd += __reduce_add_sync(0xffu, lane);
      x[lane] = sum + below + of_eight + odd % 1000;`);
    const odd = 0xaaaaaaaa;
    const expected = counting(32).map((i) => {
      const ballot = (odd + (i < 8 ? 28 : 0)) % 1000;
      return 496 + Math.max(0, i - 1) + 8 * Math.floor(i / 8) + 3 + ballot;
    });
    expect(after(program, counting(32))).toEqual(expected);
  });

  it("meet across blocks in atomics, so that the last block can finish what all began", () => {
    const program = kernel(
      `atomicAdd(x + 1, 1.0f);
       __syncthreads();
       if (threadIdx.x > 0) return;
       __threadfence();
       if (atomicAdd(reinterpret_cast<u32*>(x), 1u) == gridDim.x - 1) x[0] = 10 * x[1];`,
    );
    expect(after(program, [0, 0], { blocks: 5, threads: 8 })).toEqual([400, 40]);
  });

  it.each([
    [
      "a barrier that some never reach",
      "if (threadIdx.x < 33) __syncthreads(); else if (threadIdx.x < 64) __syncwarp(0xffffffffu);",
      /deadlock: block 0 0 0, thread 33 waits at line \d+ for the lanes ffffffff; thread 32 waits at line/,
    ],
    [
      "a shuffle of all lanes in a branch of some",
      "if (threadIdx.x < 16) x[0] = __shfl_xor_sync(0xffffffffu, x[1], 1);",
      /deadlock: block 0 0 0, thread 0 waits at line \d+ for the lanes ffffffff; thread 16 has ended/,
    ],
    [
      "shuffles of all lanes at two places",
      `if (threadIdx.x < 16) x[0] = __shfl_xor_sync(0xffffffffu, x[1], 1);
       else x[2] = __shfl_xor_sync(0xffffffffu, x[3], 1);`,
      /deadlock: .*thread 0 waits at line \d+ for the lanes ffffffff; thread 16 waits at line/,
    ],
    ["a mask without the lane itself", "__syncwarp(2u);", /thread 0 is not in the mask 00000002/],
    ["a trap", "if (threadIdx.x == 3) __trap();", /trap/],
  ])("refuse %s, where a device would hang or go on with nonsense", (_, body, message) => {
    scripted();
    const failure = failureOf(() => after(kernel(body), zeros(8), { threads: 64 }));
    expect(failure).toMatchObject({ code: "ERR_CUDA", message: expect.stringMatching(message) });
    notes();
  });

  it("notice each byte outside of what was allocated, and what is not aligned as it is read", () => {
    for (const [body, message] of [
      ["x[n] = 1;", /touched/],
      ["x[-1] = 1;", /touched/],
      ["x[0] = reinterpret_cast<float*>(dynamic_shared())[16];", /touched/],
      ["u32 w[4]; load_words<4>(reinterpret_cast<char*>(x) + 4, w); x[0] = w[0];", /misaligned/],
    ] as const) {
      const failure = failureOf(() => after(kernel(body), zeros(1024), { threads: 1, shared: 64 }));
      expect(failure).toMatchObject({ code: "ERR_CUDA", message: expect.stringMatching(message) });
      expect(notes().some((note) => note.startsWith("dead"))).toBe(true);
    }
  });

  it("say what the compiler says of a text that is none", () => {
    expect(failureOf(() => kernel("x[0] = nothing;"))).toMatchObject({
      code: "ERR_NVRTC",
      message: expect.stringContaining("nothing"),
    });
  });
});
