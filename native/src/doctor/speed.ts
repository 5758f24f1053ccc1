import { performance } from "node:perf_hooks";
import { cudaDevice } from "../cuda/device.ts";
import { Jit } from "../cuda/jit.ts";
import { CudaKernels } from "../cuda/kernels.ts";
import { CudaMemory } from "../cuda/memory.ts";
import { CudaQkNorm } from "../cuda/qk-norm.ts";
import { CudaStream } from "../cuda/stream.ts";
import type { NormSide } from "../norm-side.ts";
import { qkNorm } from "../qk-norm.ts";

/** The call that is timed: a prompt of 512 tokens in one layer of Qwen3-0.6B, packed QKV in bf16, in place. */
const tokens = 512;
const headDim = 128;
const heads = { q: 16, k: 8, v: 8 } as const;
const rowElements = (heads.q + heads.k + heads.v) * headDim;
const bytesOfBf16 = 2;

export const timedCall = `QK norm of ${tokens} tokens, ${heads.q} query and ${heads.k} KV heads of ${headDim}, bf16`;

/** Microseconds of the call on the CPU: the median of some, after some. Takes a few milliseconds. Throws as `qkNorm` does. */
export function cpuMicroseconds(): number {
  const qkv = new Uint16Array(tokens * rowElements).fill(0x3f80);
  const weight = new Uint16Array(headDim).fill(0x3f80);
  const common = { input: qkv, inputTokenStride: rowElements, inputHeadStride: headDim };
  const out = { output: qkv, outputTokenStride: rowElements, outputHeadStride: headDim };
  const norm = { weight, weightDtype: "bf16", weightHeadStride: 0, weightOffset: 0, eps: 1e-6 } as const;
  const rest = { bias: null, biasDtype: "bf16", biasHeadStride: 0, kind: "rms", rounding: "once" } as const;
  const side = (count: number, offset: number): NormSide => ({
    ...{ ...common, ...out, ...norm, ...rest },
    ...{ heads: count, inputOffset: offset, outputOffset: offset },
  });
  const sides = [side(heads.q, 0), side(heads.k, heads.q * headDim)] as const;
  return medianMicroseconds(() => qkNorm({ dtype: "bf16", headDim, tokens, sides }));
}

/**
 * Microseconds of the call on a device: one of up to 200 that were queued one after the other, what queueing takes the host
 * included. Compiles the kernel if it is not kept. Throws as `CudaKernels.get` and `CudaMemory` do.
 */
export function cudaMicroseconds(ordinal: number): number {
  using stream = new CudaStream(ordinal);
  using qkv = new CudaMemory(stream, tokens * rowElements * bytesOfBf16);
  using weight = new CudaMemory(stream, headDim * bytesOfBf16);
  const [tokenStride, headStride] = [rowElements * bytesOfBf16, headDim * bytesOfBf16];
  const launch = new CudaQkNorm(new CudaKernels(cudaDevice(ordinal), new Jit()), {
    form: {
      ...{ headDim, dtype: "bf16", kind: "rms", weight: "bf16", bias: null, weightOffset: 0 },
      ...{ rounding: "once", inPlace: true, alignment: 16, weightAlignment: 16 },
    },
    q: { heads: heads.q, eps: 1e-6, tokenStride, headStride },
    k: { heads: heads.k, eps: 1e-6, tokenStride, headStride },
  });
  qkv.fill(0, stream);
  weight.fill(0, stream);
  launch.bind("qWeight", weight).bind("kWeight", weight);
  launch
    .tokens(tokens)
    .bind("qInput", qkv)
    .bind("kInput", qkv, heads.q * headStride);
  const queued = (calls: number) =>
    microsecondsOf(() => {
      for (let i = 0; i < calls; i++) launch.run(stream);
      stream.synchronize();
    });
  queued(1); // compiles
  const calls = repeatsIn(queued(1), mostCalls);
  return queued(calls) / calls;
}

// Milliseconds on any device; a driver that stands in for one takes as long for a single call.
const mostMicroseconds = 20_000;
const mostCalls = 200;

function repeatsIn(microseconds: number, most: number): number {
  return Math.max(1, Math.min(most, Math.floor(mostMicroseconds / microseconds)));
}

function medianMicroseconds(call: () => void): number {
  call();
  const taken = Array.from({ length: repeatsIn(microsecondsOf(call), mostCalls) }, () =>
    microsecondsOf(call),
  );
  return taken.sort((a, b) => a - b)[taken.length >> 1] as number;
}

function microsecondsOf(call: () => void): number {
  const start = performance.now();
  call();
  return (performance.now() - start) * 1000;
}
