// Ten lines from the packages to a fused native call, and what a call takes: microseconds, the least of many rounds.
import { applyQkNorm } from "@qknorm/core";
import { kernelStatus, normalize, Tensor } from "@qknorm/tensor";

const qkv = Tensor.from(
  Array.from({ length: 64 * 4096 }, (_, i) => Math.sin(i)),
  [64, 4096],
  "bf16",
);
const [q, k] = qkv.split(1, [2048, 1024, 1024]);
const weight = Tensor.from(new Array(128).fill(1), [128], "bf16");
const spec = { kind: "rms", axis: "head", weight, eps: 1e-6, weightOffset: 0, rounding: "hf" };
const norm = { spec, forward: (x) => normalize(x, spec) };
applyQkNorm(q, k, norm, norm, 128);

// Short rounds, some of which nothing else on the machine interrupts.
const calls = 10;
let least = Number.POSITIVE_INFINITY;
for (let round = 0; round < 1000; round++) {
  const start = performance.now();
  for (let i = 0; i < calls; i++) applyQkNorm(q, k, norm, norm, 128);
  least = Math.min(least, ((performance.now() - start) * 1000) / calls);
}
process.stdout.write(`${JSON.stringify({ microseconds: least, running: kernelStatus().running })}\n`);
