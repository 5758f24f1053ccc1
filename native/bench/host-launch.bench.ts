// What one launch of the fused kernel costs the host in front of the driver: nanoseconds of processor time, on a stand-in
// driver that does nothing. Needs a C compiler, no GPU:
//
//     node --conditions=@qknorm/source --import tsx native/bench/host-launch.bench.ts
import { join } from "node:path";
import {
  CudaKernels,
  CudaMemory,
  type CudaNormForm,
  CudaQkNorm,
  CudaStream,
  cudaDevice,
  Jit,
} from "../src/index.ts";
import { build, folder } from "../test/cuda-fake.ts";

const calls = 200_000;
const rounds = 15;

const driver = join(folder, "libquiet.so");
const failure = build(driver, "-DQUIET", "-O2");
if (failure !== null) throw new Error(failure);
process.env.QKNORM_LIBCUDA = driver;
process.env.QKNORM_LIBNVRTC = driver;

const form: CudaNormForm = {
  ...{ headDim: 128, dtype: "bf16", kind: "rms", weight: "bf16", bias: null, weightOffset: 0 },
  ...{ rounding: "once", inPlace: true, alignment: 16, weightAlignment: 16 },
} as const;

// Packed QKV of Qwen3-8B: 32 heads of q, 8 of k, 8 of v.
const head = 256;
const token = 48 * head;
const tokens = 16;
const stream = new CudaStream(0);
const q = { heads: 32, eps: 1e-6, tokenStride: token, headStride: head };
const launch = new CudaQkNorm(new CudaKernels(cudaDevice(0), new Jit({ folder: null, seeds: [] })), {
  form,
  q,
  k: { ...q, heads: 8 },
});
const weights = new CudaMemory(stream, 2 * head);
const [first, second] = [1, 2].map(() => new CudaMemory(stream, tokens * token)) as [CudaMemory, CudaMemory];
launch.bind("qWeight", weights).bind("kWeight", weights, head);

const run = (memory: CudaMemory, many: number) =>
  launch
    .tokens(many)
    .bind("qInput", memory)
    .bind("kInput", memory, 32 * head)
    .run(stream);

run(first, tokens);
const found = {
  again: nanoseconds(() => launch.run(stream)),
  otherMemory: nanoseconds((i) => run(i % 2 === 0 ? first : second, tokens)),
  otherTokens: nanoseconds((i) => run(first, tokens - (i % 2))),
};
process.stdout.write(`${JSON.stringify(found)}\n`);

/** The fastest round, per call. Processor time, so that what else the machine does counts little. */
function nanoseconds(call: (i: number) => void): number {
  const times = Array.from({ length: rounds + 2 }, () => {
    const before = process.cpuUsage();
    for (let i = 0; i < calls; i++) call(i);
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1000) / calls;
  });
  return Math.round(Math.min(...times));
}
