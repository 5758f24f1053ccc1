import { nativeError } from "../loader.ts";
import type { KernelRequest } from "./kernel-request.ts";
import type { CudaKernels } from "./kernels.ts";
import type { CudaMemory } from "./memory.ts";
import type { CudaNormForm, CudaNormSide } from "./norm-form.ts";
import type { CudaStream } from "./stream.ts";

export interface CudaRowNormOptions {
  /** `headDim` is the length of a row: any number from 1 up. */
  readonly form: CudaNormForm;
  readonly x: CudaNormSide;
}

export type RowNormOperand = "input" | "output" | "weight" | "bias";

/**
 * The norm of one tensor, the plain way: one block per row, of any length (row_norm.cu). It is what a norm module runs,
 * and so the fallback of QK norm, and the baseline it is measured against. Used like `CudaQkNorm`; a row's bits depend
 * on that row alone. They may differ in the last place from those of `CudaQkNorm`, whose sums are added in another order.
 */
export class CudaRowNorm {
  /** Throws as `CudaQkNorm` does; row lengths are not bounded. */
  constructor(kernels: CudaKernels, options: CudaRowNormOptions) {
    throw nativeError("ERR_NATIVE", `not written yet: ${kernels.device.name}, ${options.form.headDim}`);
  }

  /** The kernel of a form, for `CudaKernels.warmUp`. */
  static requests(form: CudaNormForm, arch: string): KernelRequest[] {
    throw nativeError("ERR_NATIVE", `not written yet: ${arch}, ${form.headDim}`);
  }

  /** The number of tokens from here on, 0 at first: nothing is launched then. Throws `ERR_QKNORM_ARGUMENT`. */
  tokens(_tokens: number): this {
    return this;
  }

  /** Where an operand starts, in bytes. Throws as `CudaQkNorm.bind` does. */
  bind(_operand: RowNormOperand, _memory: CudaMemory, _offset = 0): this {
    return this;
  }

  /** Queues the launch. Throws as `CudaQkNorm.run` does. */
  run(_stream: CudaStream): void {}
}
