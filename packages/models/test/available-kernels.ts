import { type KernelChoice, useKernels } from "@qknorm/tensor";

/** The kernels this machine can run: TypeScript always, native where the addon is built. */
export function availableKernels(): KernelChoice[] {
  try {
    useKernels(useKernels("native"));
    return ["native", "typescript"];
  } catch {
    return ["typescript"];
  }
}
