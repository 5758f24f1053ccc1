import type { OpsBinding } from "./binding-ops.ts";
import type { CudaBinding } from "./cuda/binding.ts";
import type { NativeArray } from "./numbers.ts";

/**
 * The functions of the addon, typed by hand. They check every argument and throw plain `Error`s with a `code`;
 * names, defaults and kindness belong to the files in front of them.
 */
export interface BindingModule extends QkNormBinding, OpsBinding, CudaBinding {
  /** Changes whenever a signature or a number of this file does. */
  readonly abi: number;
}

export const BINDING_ABI = 13;

/**
 * Lengths of the parts of `params`: one `Float64Array` in place of forty properties read through Node-API.
 *
 *     header  dtype, headDim, tokens, number of sides (1 or 2), ISA number (-1: the process's own)
 *     side    input offset, token stride, head stride; output offset, token stride, head stride; heads;
 *             weight dtype, weight head stride (0, or what a row has); bias dtype, bias head stride; eps;
 *             kind, weight offset, rounding, axis
 */
export const paramCounts = { header: 5, side: 16 } as const;

export interface QkNormBinding {
  qkNorm(
    params: Float64Array,
    input: NativeArray,
    output: NativeArray,
    weight: NativeArray | null,
    bias: NativeArray | null,
    input2?: NativeArray,
    output2?: NativeArray,
    weight2?: NativeArray | null,
    bias2?: NativeArray | null,
  ): void;
  /** The instruction set of the process: the best one, or what `QKNORM_CPU_ISA` says. */
  cpuIsa(): string;
  availableIsas(): string[];
  /** Throws `ERR_QKNORM_ARGUMENT` for a name that is unknown or cannot run here. */
  isaNumber(name: string): number;
  /** memcpy by as many threads as a kernel uses; both of the same length. */
  copyBytes(destination: Uint8Array, source: Uint8Array): void;
  /** Asks for huge pages under memory that was not written yet; advice, which a system may not take. */
  preferHugePages(bytes: Uint8Array): void;
}
