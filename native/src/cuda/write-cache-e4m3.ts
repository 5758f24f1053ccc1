import { type FloatDtype, QkNormError } from "@qknorm/core";
import { dtypeNumbers, scaleModeNumbers } from "../numbers.ts";
import { bytesOf } from "./alignment.ts";
import type { HeadStrides } from "./attention-form.ts";
import { requireFields, requireKernels, requireOperands } from "./call-arguments.ts";
import type { CudaKernels } from "./kernels.ts";
import type { CudaMemory } from "./memory.ts";
import { CudaOp, faultsParameter, type OpLaunch } from "./op.ts";
import { type CudaStream, requireStream } from "./stream.ts";

const operands = ["k", "v", "kCache", "vCache", "kScales", "vScales"] as const;
const threads = 128;

type Operand = (typeof operands)[number];
type Address = Operand | "slots";
type Stride = `${"k" | "v"}${"Token" | "Head" | "Slot" | "CacheHead" | "ScaleSlot" | "ScaleHead"}Stride`;
type Field = Address | Stride | "heads" | "rows" | "capacity" | "faults";

/** One write of `tokens` keys and values into caches of e4m3 with scales; strides in bytes. */
export interface CudaWriteE4m3Shape {
  /** Of k and v. */
  readonly dtype: FloatDtype;
  readonly mode: "computed" | "given";
  readonly tokens: number;
  readonly heads: number;
  readonly headDim: number;
  /** Slots of a cache. */
  readonly capacity: number;
  readonly strides: Readonly<Record<Operand, HeadStrides>>;
}

const op = new CudaOp<CudaWriteE4m3Shape, Field>({
  kernel: "write_cache_e4m3",
  includes: ["faults.cuh", "e4m3.cuh"],
  parameters: {
    ...{ k: "address", v: "address", kCache: "address", vCache: "address" },
    ...{ kScales: "address", vScales: "address", slots: "address" },
    ...{ kTokenStride: "i64", kHeadStride: "i64", vTokenStride: "i64", vHeadStride: "i64" },
    ...{ kSlotStride: "i64", kCacheHeadStride: "i64", vSlotStride: "i64", vCacheHeadStride: "i64" },
    ...{ kScaleSlotStride: "i64", kScaleHeadStride: "i64", vScaleSlotStride: "i64", vScaleHeadStride: "i64" },
    ...{ heads: "u32", rows: "u32", capacity: "u32" },
    ...faultsParameter,
  },
  macros: ({ dtype, mode, headDim }) => ({
    QK_DTYPE: dtypeNumbers[dtype],
    QK_HEAD_DIM: headDim,
    QK_SCALES: scaleModeNumbers[mode],
  }),
});

interface Place {
  readonly memory: CudaMemory;
  readonly offset: number;
}

/** Writes of one shape: packed once, run many times. The slots are read on the device. */
export class CudaWriteE4m3Cache {
  readonly #launch: OpLaunch<Field>;
  readonly #lengths: Readonly<Record<Address, number>>;

  /** Throws `ERR_QKNORM_SHAPE` for more tokens than a launch has blocks; what `CudaKernels.get` throws. */
  constructor(kernels: CudaKernels, shape: CudaWriteE4m3Shape) {
    requireKernels(kernels);
    requireFields(shape, "the shape of a write", ["strides"]);
    requireFields(shape.strides, "strides", operands);
    const { tokens, heads, headDim, capacity, strides } = shape;
    const rows = tokens * heads;
    if (rows * 32 >= 2 ** 31) {
      throw new QkNormError("ERR_QKNORM_SHAPE", `${tokens} tokens are too many for one launch`);
    }
    const extent = (name: Operand, count: number, bytes: number) =>
      (count - 1) * strides[name].token + (heads - 1) * strides[name].head + bytes;
    const row = headDim * bytesOf(shape.dtype);
    this.#lengths = {
      ...{ k: extent("k", tokens, row), v: extent("v", tokens, row), slots: 4 * tokens },
      ...{ kCache: extent("kCache", capacity, headDim), vCache: extent("vCache", capacity, headDim) },
      ...{ kScales: extent("kScales", capacity, 4), vScales: extent("vScales", capacity, 4) },
    };
    this.#launch = op
      .launch(kernels, [...operands, "slots"])
      .use(op.request(shape, kernels.device.arch), [Math.ceil((rows * 32) / threads), 2], threads)
      .set("heads", heads)
      .set("rows", rows)
      .set("capacity", capacity);
    for (const side of ["k", "v"] as const) {
      for (const [name, { token, head }] of [
        [["Token", "Head"], strides[side]],
        [["Slot", "CacheHead"], strides[`${side}Cache`]],
        [["ScaleSlot", "ScaleHead"], strides[`${side}Scales`]],
      ] as const) {
        this.#launch.set(`${side}${name[0]}Stride`, token).set(`${side}${name[1]}Stride`, head);
      }
    }
  }

  /** Queues the write. Throws what `OpLaunch.run` does. */
  run(stream: CudaStream, places: Readonly<Record<Address, Place>>): void {
    requireStream(stream);
    requireOperands(places, "a write", [...operands, "slots"]);
    for (const name of [...operands, "slots"] as const) {
      this.#launch.bind(name, places[name].memory, places[name].offset, this.#lengths[name]);
    }
    this.#launch.run(stream);
  }
}
