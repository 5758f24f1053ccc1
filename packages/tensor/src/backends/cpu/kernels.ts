import type { FusedQkNorm, Ops } from "../../backend.ts";
import type { HostArray } from "../../dtype.ts";

/** What the CPU has composed of others. */
type Composed = "addNormalize" | "project" | "pagedAttention";

/** One implementation of the CPU's arithmetic: all ops that others are composed of. */
export interface CpuKernels {
  /** For people: `native kernels, avx512, 2 threads`. */
  readonly name: string;
  readonly ops: Omit<Ops, Composed> & Partial<Pick<Ops, Composed>>;
  readonly qkNorm: FusedQkNorm;
  /** Is told of large memory before anything is written to it. */
  readonly prepare?: (data: HostArray) => void;
}
