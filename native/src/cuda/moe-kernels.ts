import type { FloatDtype, NormRounding } from "@qknorm/core";
import { type activationNumbers, dtypeNumbers } from "../numbers.ts";
import type { Alignment } from "./alignment.ts";
import { CudaOp, faultsParameter } from "./op.ts";

/** The stacked weights of all experts `[E, N, K]`, the last axis dense. Strides in bytes. */
export interface ExpertStack {
  readonly dtype: FloatDtype;
  readonly rowStride: number;
  readonly expertStride: number;
  readonly alignment: Alignment;
}

/** Each token of `x [T, C]` through its K experts `down(act(gate(x)) * up(x))`, weighed and summed: `[T, C]`. */
export interface MoeForm {
  /** Of x and y. */
  readonly dtype: FloatDtype;
  /** Of the weights of choices. */
  readonly weights: FloatDtype;
  readonly weighs: "output" | "input";
  readonly activation: keyof typeof activationNumbers;
  readonly rounding: NormRounding;
  readonly tokens: number;
  readonly choices: number;
  readonly experts: number;
  readonly hidden: number;
  readonly intermediate: number;
  readonly xStride: number;
  readonly xAlignment: Alignment;
  readonly yStride: number;
  readonly yAlignment: Alignment;
  /** Gate and up are of one dtype. */
  readonly gate: ExpertStack;
  readonly up: ExpertStack;
  readonly down: ExpertStack;
  /** Nothing that may still run writes `down`: it may be read before what is in front has run. */
  readonly settled: boolean;
}

/** Elements of a chunk, and lanes of a warp. */
export const chunk = 8;
export const lanes = 32;
/** Warps of a block. */
export const warps = 4;
/** Chunks of a row that a lane has under way. */
const mostDepth = 2;

/**
 * Rows of the weights that a warp has at once. Where choices share them, sums of all take the registers; else of those that were
 * tried four with a gate and eight without were the fastest (native/gpu/NOTES.md).
 */
export function rowsOfWarp({ activation, run }: Pick<Product, "activation" | "run">): number {
  return run === 1 && activation === null ? 8 : 4;
}

/** moe_order.cu, for runs of so many choices. */
export const order = new CudaOp<number, string>({
  kernel: "moe_order",
  includes: ["faults.cuh"],
  parameters: {
    ...{ experts: "address", runs: "address", order: "address" },
    ...{ choices: "u32", count: "u32", mostRuns: "u32" },
    ...faultsParameter,
  },
  macros: (tokens) => ({ QK_TOKENS: tokens }),
});

/** What moe_gemv.cu is specialised for. */
export interface Product {
  readonly x: FloatDtype;
  readonly y: FloatDtype;
  readonly weight: FloatDtype;
  readonly round: FloatDtype;
  readonly run: number;
  readonly inputs: number;
  readonly xAlignment: Alignment;
  readonly weightAlignment: Alignment;
  readonly activation: number | null;
  /** The dtype of what x is multiplied by. */
  readonly weighed: FloatDtype | null;
  /** Experts and weights are read before the kernel in front has ended, which is another product of the same choices. */
  readonly early: boolean;
}

export const product = new CudaOp<Product, string>({
  kernel: "moe_gemv",
  includes: ["faults.cuh", "matvec.cuh", "activation.cuh"],
  parameters: {
    ...{
      x: "address",
      w: "address",
      up: "address",
      weights: "address",
      runs: "address",
      order: "address",
      y: "address",
    },
    ...{ xStride: "i64", wStride: "i64", wExpert: "i64", upStride: "i64", upExpert: "i64", yStride: "i64" },
    ...{ chunks: "u32", outputs: "u32", rowsOf: "u32", experts: "u32" },
    ...faultsParameter,
  },
  macros: (form) => ({
    QK_X: dtypeNumbers[form.x],
    QK_W: dtypeNumbers[form.weight],
    QK_Y: dtypeNumbers[form.y],
    QK_ROUND: dtypeNumbers[form.round],
    QK_TOKENS: form.run,
    QK_ROWS: rowsOfWarp(form),
    QK_WARPS: warps,
    QK_DEPTH: Math.min(mostDepth, Math.ceil(form.inputs / (chunk * lanes))),
    QK_X_ALIGN: form.xAlignment,
    QK_W_ALIGN: form.weightAlignment,
    QK_TAIL: form.inputs % chunk,
    QK_GATED: form.activation === null ? 0 : 1,
    QK_ACTIVATION: form.activation ?? 0,
    QK_EARLY: form.early ? 1 : 0,
    QK_WEIGH: form.weighed === null ? 0 : 1,
    QK_WEIGHT_DTYPE: dtypeNumbers[form.weighed ?? "f32"],
  }),
});

/** What moe_join.cu is specialised for. */
export interface Join {
  readonly form: MoeForm;
  readonly from: FloatDtype;
  readonly round: FloatDtype;
}

export const join = new CudaOp<Join, string>({
  kernel: "moe_join",
  includes: ["matvec.cuh"],
  parameters: {
    ...{ outputs: "address", weights: "address", y: "address", outputStride: "i64", yStride: "i64" },
    ...{ chunks: "u32", rows: "u32", choices: "u32" },
  },
  macros: ({ form, from, round }) => ({
    QK_FROM: dtypeNumbers[from],
    QK_TO: dtypeNumbers[form.dtype],
    QK_WEIGH: form.weighs === "output" ? 1 : 0,
    QK_WEIGHT_DTYPE: dtypeNumbers[form.weights],
    QK_ROUND: dtypeNumbers[round],
    QK_ALIGN: form.yAlignment,
    QK_TAIL: form.hidden % chunk,
  }),
});
