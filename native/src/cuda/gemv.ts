import { type FloatDtype, type NormKind, type NormRounding, QkNormError } from "@qknorm/core";
import { dtypeNumbers, kindNumbers, roundingNumbers } from "../numbers.ts";
import { type Alignment, bytesOf } from "./alignment.ts";
import { requireFields, requireKernels, requireOperands } from "./call-arguments.ts";
import { type GemvGeometry, gemvGeometry } from "./gemv-geometry.ts";
import type { CudaKernels, LoadableKernel } from "./kernels.ts";
import { CudaOp, type OpLaunch } from "./op.ts";
import type { ByteRange } from "./product.ts";
import { type CudaStream, requireStream } from "./stream.ts";

/** A norm of x in front of the product; `layer` norms and biases have none. */
export interface GemvNorm {
  readonly kind: Exclude<NormKind, "layer">;
  readonly eps: number;
  /** The dtype of its weight `[K]`; `null`: none. */
  readonly weight: FloatDtype | null;
  readonly weightOffset: 0 | 1;
  readonly rounding: NormRounding;
}

/**
 * `y = residual + act(norm(x [M, K]) * w [N, K]^T + bias [N])`, each step rounded as an op of its own would round it. With
 * `swiglu` w is `[2N, K]`, the gates first, and act joins each gate with its up.
 */
export interface GemvForm {
  /** Of x, the residual and y. */
  readonly dtype: FloatDtype;
  readonly weight: FloatDtype;
  readonly bias: FloatDtype | null;
  readonly norm: GemvNorm | null;
  readonly swiglu: NormRounding | null;
  readonly residual: boolean;
  /** Nothing that may still run writes the weights: they are read before what runs in front is done. */
  readonly settled: boolean;
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
  /** Bytes between rows. */
  readonly xStride: number;
  readonly weightStride: number;
  readonly residualStride: number;
  readonly yStride: number;
  /** Of the addresses and strides of x and of w. */
  readonly xAlignment: Alignment;
  readonly weightAlignment: Alignment;
  readonly normAlignment: Alignment;
  /** In place of the one that the size has by default. */
  readonly geometry?: GemvGeometry;
}

export interface GemvOperands {
  readonly x: ByteRange;
  readonly weight: ByteRange;
  readonly y: ByteRange;
  readonly normWeight?: ByteRange | null;
  readonly bias?: ByteRange | null;
  readonly residual?: ByteRange | null;
}

interface Specialised {
  readonly form: GemvForm;
  readonly geometry: GemvGeometry;
  readonly tokens: number;
  readonly stage: boolean;
}

type Address = "x" | "weight" | "normWeight" | "bias" | "residual" | "y";

const addresses = ["x", "weight", "normWeight", "bias", "residual", "y"] as const;
const chunk = 8;
/** The most of x that is brought to shared memory, which the blocks of a multiprocessor share: without and with a norm. */
const mostStaged = 32 << 10;
const mostNormed = 64 << 10;

const op = new CudaOp<Specialised, string>({
  kernel: "gemv",
  includes: ["tensor_core.cuh", "matvec.cuh"],
  parameters: {
    ...{
      x: "address",
      weight: "address",
      normWeight: "address",
      bias: "address",
      residual: "address",
      y: "address",
    },
    ...{ xStride: "i64", weightStride: "i64", residualStride: "i64", yStride: "i64" },
    ...{ eps: "f32", inverseLength: "f32" },
    ...{ chunks: "u32", stagedRow: "u32", outputs: "u32", tokens: "u32", tiles: "u32" },
  },
  macros: ({ form, geometry, tokens, stage }) => {
    const { norm } = form;
    return {
      QK_TENSOR: geometry.tensor ? 1 : 0,
      QK_X: dtypeNumbers[form.dtype],
      QK_W: dtypeNumbers[form.weight],
      QK_TOKENS: tokens,
      QK_ROWS: geometry.rows,
      QK_SPLIT: geometry.split,
      QK_WARPS: geometry.warps,
      QK_DEPTH: geometry.depth,
      QK_X_ALIGN: form.xAlignment,
      QK_W_ALIGN: form.weightAlignment,
      QK_TAIL: form.inputs % chunk,
      QK_SETTLED: form.settled ? 1 : 0,
      QK_STAGE: stage ? 1 : 0,
      QK_NORM: norm === null ? 0 : 1,
      QK_NORM_KIND: kindNumbers[norm?.kind ?? "rms"],
      QK_NORM_WEIGHT: norm?.weight ? 1 : 0,
      QK_NORM_DTYPE: dtypeNumbers[norm?.weight ?? "f32"],
      QK_NORM_ALIGN: norm?.weight ? form.normAlignment : 16,
      QK_NORM_OFFSET: norm?.weightOffset ?? 0,
      QK_NORM_HF: roundingNumbers[norm?.rounding ?? "once"],
      QK_BIAS: form.bias === null ? 0 : 1,
      QK_BIAS_DTYPE: dtypeNumbers[form.bias ?? "f32"],
      QK_SWIGLU: form.swiglu === null ? 0 : 1,
      QK_HF: roundingNumbers[form.swiglu ?? "once"],
      QK_RESIDUAL: form.residual ? 1 : 0,
    };
  },
});

/** The most rows of x that a block serves; more are runs of so many. */
export const mostGemvTokens = 8;

/** The most dynamic and static shared memory of a block that the driver grants without being told. */
const usualShared = 48 << 10;

/** Whether the norm in front of a product can be computed with it: all rows fit the shared memory of a block. */
export function gemvNorms(rows: number, inputs: number, dtype: FloatDtype): boolean {
  return rows * stagedRow(inputs) * chunk * bytesOf(dtype) <= mostNormed;
}

/**
 * Chunks between the rows of x in shared memory: 8 rows of 4 chunks that are read at once lie in different banks where this
 * is 4 more than a multiple of 8.
 */
function stagedRow(inputs: number): number {
  const chunks = Math.ceil(inputs / chunk);
  return chunks + ((12 - (chunks % 8)) % 8);
}

/**
 * A matrix-vector product (gemv.cu) for few rows of x, specialised and packed once and run many times. A row's bits depend
 * on that row, the weight and its shape, never on the number of rows.
 */
export class CudaGemv {
  readonly #launch: OpLaunch<string>;
  readonly #request: LoadableKernel;
  readonly #blocks: readonly number[];
  readonly #threads: number;
  readonly #sharedBytes: number;
  readonly #names: readonly Address[];
  readonly #bound: (ByteRange | undefined)[] = [];

  /** Throws `ERR_QKNORM_SHAPE` for more than one launch takes. */
  constructor(kernels: CudaKernels, form: GemvForm) {
    requireKernels(kernels);
    requireFields(form, "the form of a product");
    const { rows, inputs, outputs, dtype } = form;
    const tokens = Math.min(rows, mostGemvTokens);
    // One row is read fastest whole; several cost less where the tensor cores multiply them.
    const tensor =
      rows > 1 && dtype === form.weight && dtype !== "f32" && Number(kernels.device.arch.slice(3, 5)) >= 80;
    const { multiprocessors } = kernels.device;
    const geometry =
      form.geometry ??
      gemvGeometry({
        inputs,
        outputs,
        weight: form.weight,
        tokens,
        swiglu: form.swiglu !== null,
        tensor,
        multiprocessors,
      });
    const runs = Math.ceil(rows / tokens);
    if (runs > 65535) throw new QkNormError("ERR_QKNORM_SHAPE", `${rows} rows are too many for one launch`);
    const staged = tokens * stagedRow(inputs) * chunk * bytesOf(dtype);
    const stage = form.norm !== null || staged <= mostStaged;
    this.#request = op.request({ form, geometry, tokens, stage }, kernels.device.arch);
    this.#blocks = [geometry.blocks, runs];
    this.#threads = 32 * geometry.warps;
    const dynamic = (stage ? staged : 0) + gainBytes(form);
    const fixed = 8 * geometry.warps * geometry.rows * tokens + 128 * tokens;
    // The driver is told of large blocks by their dynamic part alone.
    this.#sharedBytes = dynamic + fixed > usualShared ? Math.max(dynamic, usualShared + 16) : dynamic;
    this.#names = addresses.filter(
      (name) =>
        !(
          (name === "normWeight" && !form.norm?.weight) ||
          (name === "bias" && form.bias === null) ||
          (name === "residual" && !form.residual)
        ),
    );
    this.#launch = op
      .launch(kernels, this.#names)
      .set("xStride", form.xStride)
      .set("weightStride", form.weightStride)
      .set("residualStride", form.residualStride)
      .set("yStride", form.yStride)
      .set("eps", form.norm?.eps ?? 0)
      .set("inverseLength", 1 / inputs)
      .set("chunks", Math.ceil(inputs / chunk))
      .set("stagedRow", stagedRow(inputs))
      .set("outputs", outputs)
      .set("tokens", rows)
      .set("tiles", geometry.tiles);
  }

  /**
   * Queues it. Throws before that: `ERR_QKNORM_LAYOUT` (a range that is not inside of its memory), `ERR_QKNORM_DEVICE`,
   * `ERR_QKNORM_ARGUMENT` (memory or a stream that was freed), `ERR_QKNORM_SCOPE` (the kernel is not loaded, and the thread
   * captures a graph), `ERR_NVRTC`, `ERR_CUDA`.
   */
  run(stream: CudaStream, operands: GemvOperands): void {
    requireStream(stream);
    requireOperands(operands, "a product", this.#names);
    this.#launch.use(this.#request, this.#blocks, this.#threads, this.#sharedBytes);
    for (const [i, name] of this.#names.entries()) {
      const range = operands[name] as ByteRange;
      const bound = this.#bound[i];
      if (bound?.memory === range.memory && bound.offset === range.offset && bound.length === range.length)
        continue;
      this.#launch.bind(name, range.memory, range.offset, range.length);
      this.#bound[i] = range;
    }
    this.#launch.run(stream);
  }
}

/** The norm's weight lies behind x. */
function gainBytes({ norm, inputs }: GemvForm): number {
  return norm?.weight ? Math.ceil(inputs / chunk) * chunk * bytesOf(norm.weight) : 0;
}
