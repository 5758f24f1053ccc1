import { cacheDtypeNumbers, dtypeNumbers, roundingNumbers } from "../numbers.ts";
import { bytesOf } from "./alignment.ts";
import type { AttentionTuning } from "./attention-cut.ts";
import type { CudaAttentionForm, CudaAttentionShape, HeadStrides } from "./attention-form.ts";
import { type AttentionPlan, planAttention } from "./attention-plan.ts";
import { type CudaCacheDtype, cacheBytesOf } from "./cache-dtype.ts";
import { requireKernels, requireOperands } from "./call-arguments.ts";
import type { CudaKernels } from "./kernels.ts";
import { CudaMemory } from "./memory.ts";
import { CudaOp, type OpLaunch } from "./op.ts";
import { type CudaStream, requireStream } from "./stream.ts";

const tensors = ["q", "k", "v", "out"] as const;
const indices = ["lengths", "queryStarts", "pages"] as const;

/** What a launch reads and writes; `lengths` of a form that is not paged is its one number of earlier keys. */
export type CudaAttentionOperand =
  | (typeof tensors)[number]
  | (typeof indices)[number]
  | "sinks"
  | "kScales"
  | "vScales";

type Address = CudaAttentionOperand | "partial";
type Number =
  | `${"q" | "k" | "v" | "kScale" | "vScale"}${"Token" | "Head"}Stride`
  | "scale"
  | "softCap"
  | "tokens"
  | "group"
  | "kvHeads"
  | "capacity"
  | "window"
  | "chunk"
  | "pieces"
  | "leastKeys"
  | "blocks"
  | "pageSize"
  | "pagesPerSequence"
  | "batch";

interface Specialised extends CudaAttentionForm {
  readonly macros: Readonly<Record<string, number>>;
}

const declaration = (kernel: string, ...includes: string[]) =>
  new CudaOp<Specialised, Address | Number>({
    kernel,
    includes,
    parameters: {
      ...{ q: "address", k: "address", v: "address", out: "address", partial: "address" },
      ...{ lengths: "address", queryStarts: "address", pages: "address", sinks: "address" },
      ...{ kScales: "address", vScales: "address" },
      ...{ qTokenStride: "i64", qHeadStride: "i64", kTokenStride: "i64", kHeadStride: "i64" },
      ...{ vTokenStride: "i64", vHeadStride: "i64", kScaleTokenStride: "i64", kScaleHeadStride: "i64" },
      ...{ vScaleTokenStride: "i64", vScaleHeadStride: "i64", scale: "f32", softCap: "f32" },
      ...{ tokens: "u32", group: "u32", kvHeads: "u32", capacity: "u32", window: "u32", chunk: "u32" },
      ...{ pieces: "u32", leastKeys: "u32", blocks: "u32", pageSize: "u32", pagesPerSequence: "u32" },
      batch: "u32",
    },
    macros: (form) => ({
      QK_DTYPE: dtypeNumbers[form.dtype],
      QK_CACHE: cacheDtypeNumbers[form.cacheDtype],
      QK_HEAD_DIM: form.headDim,
      QK_PAGED: form.paged ? 1 : 0,
      QK_CAUSAL: form.mask === "causal" ? 1 : 0,
      QK_SOFT_CAP: form.softCap ? 1 : 0,
      QK_SINKS: form.sinks === null ? -1 : dtypeNumbers[form.sinks],
      QK_HF: roundingNumbers[form.rounding],
      QK_ALIGN: form.alignment,
      QK_CACHE_ALIGN: form.cacheAlignment,
      ...form.macros,
    }),
  });

const span = ["e4m3.cuh", "attention_span.cuh"];
const pieces = "attention_pieces.cuh";
const tensorCore = "tensor_core.cuh";
const cluster = "cluster.cuh";
const direct = ["attention_direct.cuh", "attention_warps.cuh"];

const ops = {
  attention: declaration("attention", cluster, ...span, pieces),
  attention_decode: declaration("attention_decode", tensorCore, cluster, ...span, pieces, ...direct),
  attention_join: declaration("attention_join", ...span),
  attention_ring: declaration(
    "attention_ring",
    tensorCore,
    cluster,
    ...span,
    pieces,
    ...direct,
    "attention_feed.cuh",
  ),
  attention_prefill: declaration("attention_prefill", tensorCore, ...span),
} as const;

type Operands = Partial<Record<CudaAttentionOperand, Place>>;

interface Place {
  readonly memory: CudaMemory;
  readonly offset: number;
}

/**
 * Attention of one form and shape: specialised and packed once, run many times. Lengths, starts and pages are read on the
 * device, so that a captured launch holds for any number of keys up to the capacity.
 */
export class CudaAttention {
  readonly #launches: readonly OpLaunch<Address | Number>[];
  /** Each operand, and the bytes of it that the kernels may touch. */
  readonly #bound: readonly (readonly [name: Address, length: number])[];
  /** Those that a caller gives. */
  readonly #wanted: readonly string[];
  readonly #workspaceBytes: number;

  /** Throws what `planAttention` and `CudaKernels.get` do. */
  constructor(
    kernels: CudaKernels,
    form: CudaAttentionForm,
    shape: CudaAttentionShape,
    tuning?: AttentionTuning,
  ) {
    requireKernels(kernels);
    const { arch } = kernels.device;
    const plan = planAttention(form, shape, kernels.device, tuning);
    this.#bound = Object.entries(lengthsOf(form, shape, plan)) as [Address, number][];
    this.#workspaceBytes = plan.workspaceBytes;
    const bound = this.#bound.map(([name]) => name);
    this.#wanted = bound.filter((name) => name !== "partial");
    this.#launches = plan.launches.map(({ kernel, macros, grid, threads, sharedBytes, blocks }) => {
      const wanted = ops[kernel].request({ ...form, macros }, arch);
      const launch = ops[kernel].launch(kernels, bound).use(wanted, grid, threads, sharedBytes);
      setNumbers(launch, shape);
      return launch.set("pieces", plan.pieces).set("leastKeys", plan.leastKeys).set("blocks", blocks);
    });
  }

  /** Queues the launches. Throws what `OpLaunch.run` does, and what `CudaMemory` does for the room that pieces need. */
  run(stream: CudaStream, operands: Operands): void {
    requireStream(stream);
    requireOperands(operands, "attention", this.#wanted);
    const partial = this.#workspaceBytes > 0 ? new CudaMemory(stream, this.#workspaceBytes) : null;
    try {
      const places = partial === null ? operands : { ...operands, partial: { memory: partial, offset: 0 } };
      for (const launch of this.#launches) {
        for (const [name, length] of this.#bound) {
          const { memory, offset } = places[name as keyof typeof places] as Place;
          launch.bind(name, memory, offset, length);
        }
        launch.run(stream);
      }
    } finally {
      partial?.free();
    }
  }
}

function setNumbers(launch: OpLaunch<Address | Number>, shape: CudaAttentionShape): void {
  for (const name of ["q", "k", "v"] as const) {
    launch.set(`${name}TokenStride`, shape[`${name}Strides`].token);
    launch.set(`${name}HeadStride`, shape[`${name}Strides`].head);
  }
  for (const name of ["kScale", "vScale"] as const) {
    const strides = shape[`${name}Strides`];
    if (strides === undefined) continue;
    launch.set(`${name}TokenStride`, strides.token).set(`${name}HeadStride`, strides.head);
  }
  const same = ["scale", "softCap", "tokens", "kvHeads", "capacity", "batch", "pageSize"] as const;
  for (const name of [...same, "pagesPerSequence"] as const) launch.set(name, shape[name]);
  for (const name of ["window", "chunk"] as const) launch.set(name, Math.min(shape[name], 2 ** 31 - 1));
  launch.set("group", shape.queryHeads / shape.kvHeads);
}

/** Bytes of each operand that the kernels may touch; what is not named is not bound. */
function lengthsOf(
  form: CudaAttentionForm,
  shape: CudaAttentionShape,
  { workspaceBytes }: AttentionPlan,
): Partial<Record<Address, number>> {
  const { tokens, queryHeads, kvHeads, capacity, batch } = shape;
  const extent = (count: number, heads: number, strides: HeadStrides, dtype: CudaCacheDtype) =>
    (count - 1) * strides.token + (heads - 1) * strides.head + form.headDim * cacheBytesOf(dtype);
  const scales = ({ token, head }: HeadStrides) => (capacity - 1) * token + (kvHeads - 1) * head + 4;
  return {
    q: extent(tokens, queryHeads, shape.qStrides, form.dtype),
    k: extent(capacity, kvHeads, shape.kStrides, form.cacheDtype),
    v: extent(capacity, kvHeads, shape.vStrides, form.cacheDtype),
    out: tokens * queryHeads * form.headDim * bytesOf(form.dtype),
    lengths: 4 * batch,
    ...(form.paged && { queryStarts: 4 * (batch + 1), pages: 4 * batch * shape.pagesPerSequence }),
    ...(shape.kScaleStrides && { kScales: scales(shape.kScaleStrides) }),
    ...(shape.vScaleStrides && { vScales: scales(shape.vScaleStrides) }),
    ...(form.sinks !== null && { sinks: queryHeads * bytesOf(form.sinks) }),
    ...(workspaceBytes > 0 && { partial: workspaceBytes }),
  };
}
