import { type FloatDtype, QkNormError } from "@qknorm/core";
import { dtypeNumbers } from "../numbers.ts";
import { alignmentOf, bytesOf } from "./alignment.ts";
import type { HeadStrides } from "./attention-form.ts";
import { requireFields, requireKernels, requireOperands } from "./call-arguments.ts";
import type { CudaKernels } from "./kernels.ts";
import type { CudaMemory } from "./memory.ts";
import { CudaOp, faultsParameter, type OpLaunch } from "./op.ts";
import { type CudaStream, requireStream } from "./stream.ts";

const operands = ["k", "v", "kCache", "vCache"] as const;

type Operand = (typeof operands)[number];
type Stride =
  | "kTokenStride"
  | "kHeadStride"
  | "vTokenStride"
  | "vHeadStride"
  | "kSlotStride"
  | "kCacheHeadStride"
  | "vSlotStride"
  | "vCacheHeadStride";

/** One write of `tokens` keys and values; strides and phases (where an operand starts, modulo 16) in bytes. */
export interface CudaWriteCacheShape {
  readonly dtype: FloatDtype;
  readonly cacheDtype: FloatDtype;
  readonly tokens: number;
  readonly heads: number;
  readonly headDim: number;
  /** Slots of a cache. */
  readonly capacity: number;
  readonly strides: Readonly<Record<Operand, HeadStrides>>;
  readonly phases: Readonly<Record<Operand, number>>;
}

type Field = Operand | "slots" | Stride | "heads" | "chunks" | "capacity" | "faults";

const op = new CudaOp<CudaWriteCacheShape, Field>({
  kernel: "write_cache",
  includes: ["faults.cuh"],
  parameters: {
    ...{ k: "address", v: "address", kCache: "address", vCache: "address", slots: "address" },
    ...{ kTokenStride: "i64", kHeadStride: "i64", vTokenStride: "i64", vHeadStride: "i64" },
    ...{ kSlotStride: "i64", kCacheHeadStride: "i64", vSlotStride: "i64", vCacheHeadStride: "i64" },
    ...{ heads: "u32", chunks: "u32", capacity: "u32" },
    ...faultsParameter,
  },
  macros: ({ dtype, cacheDtype, headDim, strides, phases }) => {
    const alignment = (...names: readonly Operand[]) =>
      alignmentOf(...names.flatMap((name) => [phases[name], strides[name].token, strides[name].head]));
    return {
      QK_DTYPE: dtypeNumbers[dtype],
      QK_CACHE: dtypeNumbers[cacheDtype],
      QK_HEAD_DIM: headDim,
      QK_ALIGN: alignment("k", "v"),
      QK_CACHE_ALIGN: alignment("kCache", "vCache"),
    };
  },
});

const chunk = 8;
const threads = 128;

interface Place {
  readonly memory: CudaMemory;
  readonly offset: number;
}

/** Writes of one shape: packed once, run many times. The slots are read on the device. */
export class CudaWriteCache {
  readonly #launch: OpLaunch<Field>;
  readonly #lengths: Readonly<Record<Operand | "slots", number>>;

  /** Throws `ERR_QKNORM_SHAPE` for more tokens than a launch has blocks; what `CudaKernels.get` throws. */
  constructor(kernels: CudaKernels, shape: CudaWriteCacheShape) {
    requireKernels(kernels);
    requireFields(shape, "the shape of a write", ["strides"]);
    requireFields(shape.strides, "strides", operands);
    const { tokens, heads, headDim, capacity, strides } = shape;
    const chunks = tokens * heads * Math.ceil(headDim / chunk);
    if (chunks >= 2 ** 31) {
      throw new QkNormError("ERR_QKNORM_SHAPE", `${tokens} tokens are too many for one launch`);
    }
    const extent = (name: Operand, rows: number, dtype: FloatDtype) =>
      (rows - 1) * strides[name].token + (heads - 1) * strides[name].head + headDim * bytesOf(dtype);
    this.#lengths = {
      k: extent("k", tokens, shape.dtype),
      v: extent("v", tokens, shape.dtype),
      kCache: extent("kCache", capacity, shape.cacheDtype),
      vCache: extent("vCache", capacity, shape.cacheDtype),
      slots: 4 * tokens,
    };
    this.#launch = op
      .launch(kernels, [...operands, "slots"])
      .use(op.request(shape, kernels.device.arch), Math.ceil(chunks / threads), threads)
      .set("heads", heads)
      .set("chunks", chunks)
      .set("capacity", capacity);
    for (const side of ["k", "v"] as const) {
      this.#launch
        .set(`${side}TokenStride`, strides[side].token)
        .set(`${side}HeadStride`, strides[side].head)
        .set(`${side}SlotStride`, strides[`${side}Cache`].token)
        .set(`${side}CacheHeadStride`, strides[`${side}Cache`].head);
    }
  }

  /** Queues the write. Throws what `OpLaunch.run` does. */
  run(stream: CudaStream, places: Readonly<Record<Operand | "slots", Place>>): void {
    requireStream(stream);
    requireOperands(places, "a write", [...operands, "slots"]);
    for (const name of [...operands, "slots"] as const) {
      this.#launch.bind(name, places[name].memory, places[name].offset, this.#lengths[name]);
    }
    this.#launch.run(stream);
  }
}
