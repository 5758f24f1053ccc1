import type { FusedQkNorm } from "../../../backend.ts";
import type { CpuKernels } from "../kernels.ts";

/** There is none. */
export const nativeQkNorm: FusedQkNorm | null = null;

/** What a bundle for a browser has in place of the native kernels. */
export function loadNativeKernels(): {
  readonly kernels: CpuKernels | null;
  readonly reason: string;
  readonly remedy: null;
} {
  return { kernels: null, reason: "a browser loads no native addon", remedy: null };
}
