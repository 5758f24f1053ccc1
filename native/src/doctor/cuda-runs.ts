import type { CublasLtLibrary } from "../cuda/cublaslt.ts";
import type { Rung } from "../cuda/jit-state.ts";

/** The ops that have a kernel on CUDA, as `Backend` of `@qknorm/tensor` names them; the norm and the chain beside them. */
export const cudaOps = [
  ...["qkNorm", "qkNormRope", "normalize", "addNormalize", "rope", "attention", "pagedAttention"],
  ...["writeCache", "linear", "project", "siluMul", "moe", "route", "gatherRows", "likeliest", "sample"],
  ...["causalConv", "gatedDeltaRule", "pointwise", "add", "mul", "xielu", "convert"],
] as const;

export type CudaOpName = (typeof cudaOps)[number];

// What the shipped cubins are of: see shipped-kernels.ts.
const shippedOps: readonly CudaOpName[] = ["qkNorm", "normalize"];

/** What a device would run, and how. */
export interface CudaRuns {
  readonly ops: readonly CudaOpName[];
  /** Whether a whole model decodes by one captured graph a token. */
  readonly graphDecode: boolean;
  /** What multiplies many rows by a weight. */
  readonly products: "cuBLASLt" | "gemv.cu" | "none";
  /** What works on the scores of a prompt. */
  readonly prompts: "tensor cores" | "plain kernels" | "none";
  /** Kernels that begin while the one before them ends, and blocks that share memory: sm_90 and later. */
  readonly overlaps: boolean;
}

/** What stands on a rung. `arch`: `sm_90`. */
export function cudaRuns(rung: Rung, arch: string, cublasLt: CublasLtLibrary | object): CudaRuns {
  const capability = Number.parseInt(arch.slice("sm_".length), 10);
  const compiles = rung.name === "jit";
  return {
    ops: compiles ? cudaOps : rung.name === "cubins" ? shippedOps : [],
    graphDecode: compiles,
    products: !compiles ? "none" : "version" in cublasLt ? "cuBLASLt" : "gemv.cu",
    prompts: !compiles ? "none" : capability >= 80 ? "tensor cores" : "plain kernels",
    overlaps: capability >= 90,
  };
}
