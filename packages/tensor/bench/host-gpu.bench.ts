// What one eager applyQkNorm call costs the host on a GPU, from the call to the kernel that is launched: microseconds
// as JSON, for the GPU benchmark to take over.
import {
  applyQkNorm,
  explainQkNorm,
  type NormSpec,
  planQkNorm,
  type QkNormRequest,
  registerFusedQkNorm,
} from "@qknorm/core";
import { CudaEvent, type CudaStream } from "@qknorm/native";
import { cudaStream } from "../src/cuda.ts";
import { normalize, openDevice, Tensor, tidy } from "../src/index.ts";

// Qwen3-8B's decode step: bf16, one token, 32 query and 8 KV heads of 128.
const headDim = 128;
const widths = [32, 8, 8].map((heads) => heads * headDim);
const device = "cuda:0";
/** Calls between two looks at the clock; few, so that the device is never far behind. */
const calls = 20;
const milliseconds = 400;
/** Enough to be launched by themselves (native/cuda/repeated_launch.h), and still short. */
const launchedTokens = 128;

await openDevice(device);
process.stdout.write(`${JSON.stringify(tidy(measure))}\n`);

function measure(): Record<string, number> {
  const norm = qkNorm();
  const qkv = packed(1);
  const [q, k] = qkv.split(1, widths) as [Tensor, Tensor];
  const [manyQ, manyK] = packed(launchedTokens).split(1, widths) as [Tensor, Tensor];
  requireFused({ q, k, qNorm: norm, kNorm: norm, headDim });
  const stream = cudaStream(0);
  const event = new CudaEvent(0);
  const found = {
    applyQkNorm: perCall(() => applyQkNorm(q, k, norm, norm, headDim), stream),
    asLaunch: perCall(() => applyQkNorm(manyQ, manyK, norm, norm, headDim), stream),
    withSplit: perCall(() => {
      const [a, b] = qkv.split(1, widths) as [Tensor, Tensor];
      applyQkNorm(a, b, norm, norm, headDim);
    }, stream),
    eventRecord: perCall(() => event.record(stream), stream),
    twoNorms: perCall(() => tidy(() => twoNorms(q, k, norm)), stream),
  };
  return { ...found, bytesPerCall: heapPerCall(() => applyQkNorm(q, k, norm, norm, headDim)) };
}

/** Packed q, k and v. */
function packed(tokens: number): Tensor {
  const total = widths.reduce((sum, width) => sum + width, 0);
  const values = Array.from({ length: tokens * total }, (_, i) => Math.sin(i));
  return Tensor.from(values, [tokens, total], "bf16").to(device);
}

/** Numbers of another path than they are said to be of are worth nothing. */
function requireFused(request: QkNormRequest<Tensor>): void {
  if (planQkNorm(request).path !== "fused") throw new Error(explainQkNorm(request));
  let plans = 0;
  const remove = registerFusedQkNorm<Tensor>({
    name: "counts plans",
    claims: () => {
      plans += 1;
      return false;
    },
    prepare: () => [],
  });
  try {
    const { q, k, qNorm, kNorm } = request;
    for (let i = 0; i < 10; i++) applyQkNorm(q, k, qNorm, kNorm, headDim);
  } finally {
    remove();
  }
  if (plans !== 1) throw new Error(`10 equal calls were planned ${plans} times`);
}

// Its results are new tensors, which the tidy around it frees.
function twoNorms(q: Tensor, k: Tensor, norm: ReturnType<typeof qkNorm>): void {
  applyQkNorm(q, k, norm, norm, headDim, { path: "fallback" });
}

function qkNorm(): { spec: NormSpec<Tensor>; forward: (x: Tensor) => Tensor } {
  const weight = Tensor.from(new Float64Array(headDim).fill(1), [headDim], "bf16").to(device);
  const spec: NormSpec<Tensor> = {
    kind: "rms",
    axis: "head",
    weight,
    eps: 1e-6,
    weightOffset: 0,
    rounding: "hf",
  };
  return { spec, forward: (x) => normalize(x, spec) };
}

/**
 * Median over batches, of microseconds per call; the device is waited for between batches, outside of the time. A process
 * that has just begun shares its processor with its own compiler, so that much is run before as is measured.
 */
function perCall(call: () => void, stream: CudaStream): number {
  for (const until = Date.now() + milliseconds; Date.now() < until; ) batch(call, stream);
  const times: number[] = [];
  for (const until = Date.now() + milliseconds; Date.now() < until; ) times.push(batch(call, stream));
  return Number((times.sort((a, b) => a - b)[times.length >> 1] as number).toFixed(3));
}

function batch(call: () => void, stream: CudaStream): number {
  stream.synchronize();
  const start = process.hrtime.bigint();
  for (let i = 0; i < calls; i++) call();
  return Number(process.hrtime.bigint() - start) / 1000 / calls;
}

/** Bytes that a call leaves on the JS heap; the smallest of several looks, since a collection may fall into one. */
function heapPerCall(call: () => void): number {
  const looks = Array.from({ length: 20 }, () => {
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 1000; i++) call();
    return (process.memoryUsage().heapUsed - before) / 1000;
  });
  return Math.min(...looks.filter((bytes) => bytes >= 0));
}
