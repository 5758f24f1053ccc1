import type { FusedQkNorm, Ops } from "../../backend.ts";

/** One implementation of the CPU's arithmetic: all ops there are. */
export interface CpuKernels {
  /** For people: `native kernels, avx512, 2 threads`. */
  readonly name: string;
  readonly ops: Ops;
  readonly qkNorm: FusedQkNorm;
}
