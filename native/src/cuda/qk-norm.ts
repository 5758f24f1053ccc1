import { nativeError } from "../loader.ts";
import type { KernelRequest } from "./kernel-request.ts";
import type { CudaKernels } from "./kernels.ts";
import type { LaunchConfig } from "./launch-config.ts";
import type { CudaMemory } from "./memory.ts";
import type { CudaNormForm, CudaNormSide } from "./norm-form.ts";
import type { CudaStream } from "./stream.ts";

export interface CudaQkNormOptions {
  readonly form: CudaNormForm;
  readonly q: CudaNormSide;
  /** Without it q is normalised alone. */
  readonly k?: CudaNormSide;
  /** In place of what the launch table says, for measurements. */
  readonly config?: LaunchConfig;
}

/** The addresses of a launch. Weights and biases are bound if the form has them, outputs if it is not in place. */
export type QkNormOperand =
  | "qInput"
  | "qOutput"
  | "qWeight"
  | "qBias"
  | "kInput"
  | "kOutput"
  | "kWeight"
  | "kBias";

/**
 * QK norm on a device: one launch of qk_norm.cu, specialised and packed once and run many times. Head dims are
 * multiples of 8 from 8 to 1024.
 *
 *     const launch = new CudaQkNorm(kernels, { form, q, k });
 *     launch.bind("qWeight", weights).bind("kWeight", weights, kWeightOffset);
 *     launch.tokens(T).bind("qInput", qkv, 0).bind("kInput", qkv, kOffset).run(stream);
 *
 * `run` is one call of the addon. Nothing on the way allocates. A number of tokens for which the launch table picks
 * another configuration takes another kernel, which is looked up, and compiled on first use.
 */
export class CudaQkNorm {
  /**
   * Throws `ERR_QKNORM_ARGUMENT`, `ERR_QKNORM_SHAPE` (head dim), `ERR_QKNORM_DTYPE`, `ERR_QKNORM_LAYOUT` (a stride that
   * is not of the form's alignment).
   */
  constructor(kernels: CudaKernels, options: CudaQkNormOptions) {
    throw nativeError("ERR_NATIVE", `not written yet: ${kernels.device.name}, ${options.form.headDim}`);
  }

  /** All kernels that a form may run with, whatever the heads and the tokens, for `CudaKernels.warmUp`. */
  static requests(form: CudaNormForm, arch: string): KernelRequest[] {
    throw nativeError("ERR_NATIVE", `not written yet: ${arch}, ${form.headDim}`);
  }

  /** The number of tokens from here on, 0 at first: nothing is launched then. Throws `ERR_QKNORM_ARGUMENT`. */
  tokens(_tokens: number): this {
    return this;
  }

  /** Where an operand starts, in bytes. Throws `ERR_QKNORM_LAYOUT` for an offset that is not of the form's alignment. */
  bind(_operand: QkNormOperand, _memory: CudaMemory, _offset = 0): this {
    return this;
  }

  /**
   * Queues the launch. Throws before that: `ERR_QKNORM_LAYOUT` (an operand that does not lie inside of its memory),
   * `ERR_QKNORM_OVERLAP` (what is written shares bytes with q, k, a weight or a bias), `ERR_QKNORM_DEVICE`,
   * `ERR_QKNORM_ARGUMENT` (memory or a stream that was freed, an operand that is not bound), `ERR_QKNORM_SCOPE` (the
   * kernel is not loaded and the thread captures a graph: `warmUp` or run before), `ERR_NVRTC`, `ERR_CUDA`.
   */
  run(_stream: CudaStream): void {}
}
