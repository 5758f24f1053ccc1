// npm run cubins, in native/: compiles the kernels that are shipped, for every architecture that they are shipped for.
// The oldest CUDA that is supported should do it: a driver runs what older compilers made, not what newer ones did.
// QKNORM_LIBNVRTC names the NVRTC if the search does not find the right one. Needs no GPU.
import { writePack } from "../src/cuda/cubin-pack.ts";
import { packPath, shippedFolder } from "../src/cuda/cubin-places.ts";
import { keyOf } from "../src/cuda/kernel-request.ts";
import { shippedKernels } from "../src/cuda/shipped-kernels.ts";
import { Jit, openNvrtc } from "../src/index.ts";

const archs = ["sm_90"] as const;

const { path, version } = openNvrtc();
process.stdout.write(`NVRTC ${version}: ${path}\n`);
const jit = new Jit({ folder: null, seeds: [], shipped: null });
for (const arch of archs) {
  const kernels = shippedKernels(arch);
  await jit.warmUp(kernels);
  const cubins = kernels.map((kernel) => ({ key: keyOf(kernel), ...jit.compile(kernel) }));
  const to = packPath(shippedFolder(), arch);
  const bytes = writePack(to, cubins);
  process.stdout.write(`${kernels.length} kernels for ${arch}, ${bytes} bytes\n`);
}
