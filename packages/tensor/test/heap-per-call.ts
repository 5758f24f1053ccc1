// Prints the bytes that a repeated call of applyQkNorm leaves on the JS heap, on the device that the argument names. A
// program of its own, run as the packages are: vitest rewrites imports, and the optimising compiler then inlines less.
import { applyQkNorm, type NormSpec } from "@qknorm/core";
import { type Device, normalize, openDevice, Tensor } from "../src/index.ts";

const device = process.argv[2] as Device;
const { gc } = globalThis as { gc?: () => void }; // --expose-gc
// A launch noted by the stand-in driver takes a while, so there are few: what one call in a hundred allocates shows.
const calls = device === "cpu" ? 20_000 : 3_000;

await openDevice(device);
const qkv = Tensor.zeros([2, 6 * 64], "bf16", device);
const [q, k] = qkv.split(1, [4 * 64, 64, 64]) as [Tensor, Tensor];
const spec: NormSpec<Tensor> = {
  ...{ kind: "rms", axis: "head", eps: 1e-6, weightOffset: 0, rounding: "once" },
  weight: Tensor.zeros([64], "f32", device),
};
const norm = { spec, forward: (x: Tensor) => normalize(x, spec) };
const options = { altStream: null };
const run = () => {
  for (let i = 0; i < calls; i++) applyQkNorm(q, k, norm, norm, 64, options);
};

run();
run();
// The smallest of several looks: a collection may fall into one, and until the optimising compiler has had its turn,
// which it is given between looks, numbers are boxed.
const looks: number[] = [];
for (let look = 0; look < 20; look++) {
  await new Promise((resolve) => setTimeout(resolve, 10));
  gc?.();
  const before = process.memoryUsage().heapUsed;
  run();
  looks.push((process.memoryUsage().heapUsed - before) / calls);
}
process.stdout.write(`${Math.min(...looks.filter((bytes) => bytes > 0))}\n`);
