import type { Kernels } from "../kernels.ts";

/** The native kernels, or why there are none. */
export function loadNativeKernels(): { kernels: Kernels | null; reason: string | null } {
  return { kernels: null, reason: "not bound yet" };
}
