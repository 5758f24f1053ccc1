// Prints the files of this repository whose functions one call of applyQkNorm enters, on the device that the argument
// names: the first call of its kind, and one that repeats it.
import { Session } from "node:inspector/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { applyQkNorm, type NormSpec } from "@qknorm/core";
import { type Device, normalize, openDevice, Tensor } from "../src/index.ts";

const device = (process.argv[2] ?? "cpu") as Device;
const root = fileURLToPath(new URL("../../..", import.meta.url));
await openDevice(device);
const session = new Session();
session.connect();
await session.post("Profiler.enable");
await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });

const scene = (headDim: number) => {
  const qkv = Tensor.zeros([2, 6 * headDim], "bf16", device);
  const [q, k] = qkv.split(1, [4 * headDim, headDim, headDim]) as [Tensor, Tensor];
  const weight = Tensor.zeros([headDim], "bf16", device);
  const spec: NormSpec<Tensor> = {
    ...{ kind: "rms", axis: "head", weight, eps: 1e-6, weightOffset: 0, rounding: "hf" },
  };
  const norm = { spec, forward: (x: Tensor) => normalize(x, spec) };
  return () => applyQkNorm(q, k, norm, norm, headDim);
};

/** Files entered by `call`, tests left out. */
async function entered(call: () => unknown): Promise<string[]> {
  await session.post("Profiler.takePreciseCoverage");
  call();
  const { result } = await session.post("Profiler.takePreciseCoverage");
  return result
    .filter(({ functions }) =>
      functions.some(({ functionName, ranges }) => functionName !== "" && ranges[0]?.count),
    )
    .filter(({ url }) => url.startsWith("file://"))
    .map(({ url }) => relative(root, fileURLToPath(url)))
    .filter((path) => !path.startsWith("..") && !/node_modules|\/test\//.test(path))
    .sort();
}

scene(64)(); // kernels are loaded, once for the process
const call = scene(128);
const first = await entered(call);
const again = await entered(call);
process.stdout.write(`${device}, first call of its kind: ${first.length} files\n`);
for (const path of first) process.stdout.write(`  ${path}\n`);
process.stdout.write(`${device}, a repeated call: ${again.length} files\n`);
for (const path of again) process.stdout.write(`  ${path}\n`);
