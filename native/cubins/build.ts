// npm run cubins, in native/: compiles the kernels that are shipped, for every architecture that they are shipped for.
// The oldest CUDA that is supported should do it: a driver runs what older compilers made, not what newer ones did.
// What is in the pack already, of the same text by the same NVRTC, is taken over.
// QKNORM_LIBNVRTC names the NVRTC if the search does not find the right one. Needs no GPU.
import { existsSync } from "node:fs";
import { CubinPack, writePack } from "../src/cuda/cubin-pack.ts";
import { packPath } from "../src/cuda/cubin-places.ts";
import { keyOf } from "../src/cuda/kernel-request.ts";
import { shippedKernels } from "../src/cuda/shipped-kernels.ts";
import { packageFile } from "../src/home.ts";
import { Jit, openNvrtc } from "../src/index.ts";

const archs = ["sm_90"] as const;

const { path, version } = openNvrtc();
process.stdout.write(`NVRTC ${version}: ${path}\n`);
const jit = new Jit({ folder: null, seeds: [], shipped: null });
for (const arch of archs) {
  const to = packPath(packageFile("cubins"), arch);
  const former = existsSync(to) ? new CubinPack(to) : undefined;
  const kernels = shippedKernels(arch).map((kernel) => {
    const key = keyOf(kernel);
    const kept = former?.get(key);
    return { kernel, key, kept: kept?.compiler === version ? kept : undefined };
  });
  await jit.warmUp(kernels.filter(({ kept }) => kept === undefined).map(({ kernel }) => kernel));
  const cubins = kernels.map(({ kernel, key, kept }) => ({ key, ...(kept ?? jit.compile(kernel)) }));
  const bytes = writePack(to, cubins);
  process.stdout.write(`${kernels.length} kernels for ${arch}, ${bytes} bytes\n`);
}
