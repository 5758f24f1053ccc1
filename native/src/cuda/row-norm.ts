import { QkNormError } from "@qknorm/core";
import { requireFields, requireKernels } from "./call-arguments.ts";
import type { CudaKernels, LoadableKernel } from "./kernels.ts";
import { type CudaNormForm, type CudaNormSide, formMacros } from "./norm-form.ts";
import { type NormGeometry, NormLaunch, sideParameters } from "./norm-launch.ts";
import { CudaOp, type ParameterType } from "./op.ts";

export interface CudaRowNormOptions {
  /** `headDim` is the length of a row: any number from 1 up. */
  readonly form: CudaNormForm;
  readonly x: CudaNormSide;
}

export type RowNormOperand = "input" | "output" | "weight" | "bias";

/** What `row_norm.cu` is given. */
export const rowNormParameters: Readonly<Record<string, ParameterType>> = {
  ...sideParameters(""),
  ...({ inverseLength: "f32", chunks: "u32", heads: "u32" } as const),
  ...({ residual: "address", sum: "address", residualStride: "i64", sumStride: "i64" } as const),
};

const mostThreads = 1024;
const chunk = 8;

/** What `row_norm.cu` is compiled for; `add`: of the sum of two rows. */
export function rowNormMacros(form: CudaNormForm, add: 0 | 1): Record<string, number> {
  const { chunks, threads } = rowGeometry(form.headDim);
  return {
    ...formMacros(form),
    QK_TAIL: form.headDim % chunk,
    QK_SHORT: chunks <= threads ? 1 : 0,
    QK_ADD: add,
  };
}

/** Chunks of a row, and the threads of its block: they follow from its length alone, and so do its bits. */
export function rowGeometry(length: number): { readonly chunks: number; readonly threads: number } {
  const chunks = Math.ceil(length / chunk);
  return { chunks, threads: Math.min(mostThreads, Math.ceil(chunks / 32) * 32) };
}

const op = new CudaOp<CudaNormForm, string>({
  kernel: "row_norm",
  parameters: rowNormParameters,
  macros: (form) => rowNormMacros(form, 0),
});

/**
 * The norm of one tensor, the plain way: one block per row, of any length (row_norm.cu). It is what a norm module runs,
 * and so the fallback of QK norm, and the baseline it is measured against. Used like `CudaQkNorm`; a row's bits depend
 * on that row alone. They may differ in the last place from those of `CudaQkNorm`, whose sums are added in another order.
 */
export class CudaRowNorm extends NormLaunch<RowNormOperand> {
  readonly #wanted: LoadableKernel;
  readonly #heads: number;
  readonly #threads: number;

  /** Throws as `CudaQkNorm` does. */
  constructor(kernels: CudaKernels, options: CudaRowNormOptions) {
    requireKernels(kernels);
    requireFields(options, "the options of a norm", ["form", "x"]);
    const { form, x } = options;
    const wanted = kernelOf(form, kernels.device.arch);
    super(kernels, op, form, { "": x });
    const { chunks, threads } = rowGeometry(form.headDim);
    this.#wanted = wanted;
    this.#heads = x.heads;
    this.#threads = threads;
    this.launch
      .set("inverseLength", 1 / form.headDim)
      .set("chunks", chunks)
      .set("heads", x.heads);
  }

  /** The kernel of a form, for `CudaKernels.warmUp`. Throws as the constructor does. */
  static requests(form: CudaNormForm, arch: string): LoadableKernel[] {
    return [kernelOf(form, arch)];
  }

  protected override geometryOf(tokens: number): NormGeometry {
    const blocks = tokens * this.#heads;
    if (blocks >= 2 ** 31) {
      throw new QkNormError(
        "ERR_QKNORM_SHAPE",
        `${tokens} tokens of ${this.#heads} heads are too many for one launch`,
      );
    }
    return { kernel: this.#wanted, blocks, threads: this.#threads };
  }
}

function kernelOf(form: CudaNormForm, arch: string): LoadableKernel {
  const { headDim } = form;
  if (!Number.isInteger(headDim) || headDim < 1 || headDim >= 2 ** 31) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `a row has from 1 to 2^31 - 1 elements, got ${String(headDim)}`,
    );
  }
  return op.request(form, arch);
}
