import { QkNormError } from "@qknorm/core";
import { requireFields, requireKernels } from "./call-arguments.ts";
import { flowOf, type StepWords } from "./decode-flow.ts";
import {
  type DecodeForm,
  type DecodeProduct,
  type DecodeRing,
  decodeMacros,
  decodeRing,
  decodeTiles,
  stepBytes,
} from "./decode-form.ts";
import type { DecodeHeads, DecodeStep } from "./decode-step.ts";
import type { CudaKernels, LoadableKernel } from "./kernels.ts";
import type { CudaMemory } from "./memory.ts";
import { CudaOp, faultsParameter, type OpLaunch, type ParameterType } from "./op.ts";
import type { ByteRange } from "./product.ts";
import { type CudaStream, requireStream } from "./stream.ts";

const threads = 384;
/** Of a thread at the launch: with fewer, warps would wait for ever for registers that no others give (decode_steps.cu). */
const leastRegisters = 168;
const addressesOfStep = 8;
const wordsOfStep = 5;
const noWords = 2 ** 32 - 1;
/** Bytes in front of the words: how many launches there were. */
const launchesBytes = 16;
const mostBytes = 32764;
/** NORM, SWIGLU and ATTENTION of decode_steps.cuh. */
const kinds = { norm: 1, swiglu: 2, attention: 4 } as const;

/** The most steps of a launch. */
export const mostDecodeSteps = Math.floor((mostBytes - 256) / stepBytes);

const commonParameters = {
  launches: "address",
  told: "address",
  position: "address",
  ...{ slot: "address", keys: "address", pages: "address" },
  cos: "address",
  sin: "address",
  ...{ qHeadStride: "i64", kHeadStride: "i64", vHeadStride: "i64" },
  ...{ kTokenStride: "i64", kCacheHeadStride: "i64", vTokenStride: "i64", vCacheHeadStride: "i64" },
  ...{ qEps: "f32", kEps: "f32", scale: "f32", softCap: "f32" },
  ...{
    count: "u32",
    places: "u32",
    group: "u32",
    kvHeads: "u32",
    capacity: "u32",
    window: "u32",
    chunk: "u32",
  },
  ...{ pieces: "u32", leastKeys: "u32", pageSize: "u32", pagesPerSequence: "u32", words: "u32" },
  ...faultsParameter,
} as const satisfies Record<string, ParameterType>;

interface Specialised {
  readonly form: DecodeForm;
  readonly ring: DecodeRing;
}

// By the steps that their arguments have room for.
const ops = new Map<number, CudaOp<Specialised, string>>();

function opOf(steps: number): CudaOp<Specialised, string> {
  let op = ops.get(steps);
  if (op === undefined) {
    const parameters: Record<string, ParameterType> = {};
    for (let i = 0; i < steps; i++) {
      for (let j = 0; j < addressesOfStep; j++) parameters[`step${i}at${j}`] = "address";
      parameters[`step${i}kind`] = "u32";
      parameters[`step${i}eps`] = "f32";
      parameters[`step${i}inverse`] = "f32";
      for (let j = 0; j < wordsOfStep; j++) parameters[`step${i}words${j}`] = "u32";
      for (const name of ["inputs", "outputs", "parts", "shift", "stage", "tile", "underWay", "none"]) {
        parameters[`step${i}${name}`] = "u32";
      }
    }
    op = new CudaOp({
      kernel: "decode_steps",
      includes: [
        ...[
          "faults.cuh",
          "scalars.cuh",
          "e4m3.cuh",
          "matvec.cuh",
          "tensor_core.cuh",
          "cluster.cuh",
          "grid.cuh",
        ],
        { namespace: "heads", files: ["norm_rows.cuh", "rope.cuh"] },
        {
          namespace: "attend",
          files: [
            "attention_span.cuh",
            "attention_pieces.cuh",
            "attention_direct.cuh",
            "attention_warps.cuh",
          ],
        },
        ...["decode_steps.cuh", "decode_ring.cuh", "decode_row.cuh", "decode_product.cuh"],
        ...["decode_pieces.cuh", "decode_room.cuh", "decode_heads.cuh", "decode_attention.cuh"],
      ],
      parameters: { ...parameters, ...commonParameters },
      macros: ({ form, ring }) => decodeMacros(form, ring),
    });
    ops.set(steps, op);
  }
  return op;
}

const requests = new WeakMap<CudaKernels, Map<string, LoadableKernel>>();

/**
 * Steps of a decoder for one token in one launch (decode_steps.cu), over blocks that all run at the same time. Packed for
 * given operands, to be run once or captured.
 */
export class CudaDecodeSteps {
  readonly #launch: OpLaunch<string>;
  /** Bytes that it has to itself from launch to launch, which are zeros before the first. */
  readonly bytes: number;
  readonly #common: readonly (readonly [name: string, range: ByteRange])[];

  /** Compiles and loads the kernel of a form. Throws as the constructor does, but for what its heads and steps are. */
  static load(kernels: CudaKernels, form: DecodeForm): void {
    requireKernels(kernels);
    requireFields(form, "the form of decode steps", ["chain", "attention"]);
    const { chain, attention } = form;
    requireFields(chain, "the chain of decode steps", ["norm"]);
    if (chain.normalizes && chain.norm.rounding !== attention.rounding) {
      throw new QkNormError(
        "ERR_QKNORM_ARGUMENT",
        `the chain of decode steps is rounded as their attention: ${attention.rounding}, got ${chain.norm.rounding}`,
      );
    }
    const { registers } = kernels.get(requestOf(kernels, { form, ring: ringOf(kernels, form) })).info;
    if (registers >= leastRegisters) return;
    throw new QkNormError(
      "ERR_CUDA",
      `decode_steps was compiled to ${registers} registers, and needs ${leastRegisters}`,
    );
  }

  /**
   * Compiles and loads the kernel. Throws `ERR_QKNORM_ARGUMENT` for a chain that is not rounded as attention and for heads without
   * the pages that the form's attention reads, or with others, `ERR_QKNORM_SHAPE` for rows that no ring has room for, `ERR_QKNORM_OVERLAP` for
   * steps that a `DecodeFlow` does not take, `ERR_CUDA` for a kernel of too few registers, and what `CudaKernels.get` does.
   */
  constructor(kernels: CudaKernels, form: DecodeForm, heads: DecodeHeads, steps: readonly DecodeStep[]) {
    CudaDecodeSteps.load(kernels, form);
    requireFields(heads, "the heads of decode steps");
    if (form.attention.paged !== (heads.pages !== null)) {
      const [wanted, got] = form.attention.paged ? ["pages", "none"] : ["none", "pages"];
      throw new QkNormError(
        "ERR_QKNORM_ARGUMENT",
        `attention of decode steps reads ${wanted}, and its heads have ${got}`,
      );
    }
    const ring = ringOf(kernels, form);
    const flow = flowOf(form, heads, steps);
    const operands = steps.map((step, i) => operandsOf(step, flow.steps[i]?.left === true));
    const names = operands.flatMap((ranges, i) =>
      ranges.flatMap((range, j) => (range === null ? [] : [[`step${i}at${j}`, range] as const])),
    );
    const { position, pages, cos, sin } = heads;
    this.#common = [
      ["position", position],
      ...(pages === null
        ? []
        : ([
            ["slot", pages.slot],
            ["keys", pages.keys],
            ["pages", pages.table],
          ] as const)),
      ...(cos === null || sin === null
        ? []
        : ([
            ["cos", cos],
            ["sin", sin],
          ] as const)),
    ];
    const addresses = [...names, ...this.#common].map(([name]) => name);
    const op = opOf(form.steps);
    this.#launch = op
      .launch(kernels, [...addresses, "launches", "told"])
      .use(requestOf(kernels, { form, ring }), kernels.device.multiprocessors, threads, ring.sharedBytes)
      .together();
    for (const [name, { memory, offset, length }] of [...names, ...this.#common]) {
      this.#launch.bind(name, memory, offset, length);
    }
    for (const [i, step] of steps.entries()) {
      for (const [name, value] of Object.entries(
        numbersOf(step, form.products, ring, kernels.device.multiprocessors),
      )) {
        this.#launch.set(`step${i}${name}`, value);
      }
      for (const [j, words] of (flow.steps[i] as StepWords).at.entries()) {
        this.#launch.set(`step${i}words${j}`, words ?? noWords);
      }
    }
    this.#setNumbers(form, heads, steps.length);
    this.#launch.set("words", flow.words);
    this.bytes = launchesBytes + 8 * flow.words;
  }

  /**
   * Queues it. `own` is `bytes` long, and no other launch has it. Throws what `OpLaunch.run` does.
   */
  run(stream: CudaStream, own: CudaMemory): void {
    requireStream(stream);
    this.#launch
      .bind("launches", own, 0, launchesBytes)
      .bind("told", own, launchesBytes, this.bytes - launchesBytes)
      .run(stream);
  }

  #setNumbers({ group }: DecodeForm, heads: DecodeHeads, count: number): void {
    const { headStrides, kCache, vCache } = heads;
    const limited = (n: number): number => Math.min(n, 2 ** 31 - 1);
    const numbers = {
      qHeadStride: headStrides.q,
      kHeadStride: headStrides.k,
      vHeadStride: headStrides.v,
      kTokenStride: kCache.token,
      kCacheHeadStride: kCache.head,
      vTokenStride: vCache.token,
      vCacheHeadStride: vCache.head,
      ...{ qEps: heads.qEps, kEps: heads.kEps, scale: heads.scale, softCap: heads.softCap },
      ...{ count, places: heads.places, group, kvHeads: heads.kvHeads, capacity: heads.capacity },
      ...{ window: limited(heads.window), chunk: limited(heads.chunk) },
      ...{ pieces: heads.pieces, leastKeys: heads.leastKeys },
      ...{ pageSize: heads.pages?.size ?? 1, pagesPerSequence: heads.pages?.count ?? 1 },
    };
    for (const [name, value] of Object.entries(numbers)) this.#launch.set(name, value);
  }
}

function ringOf({ device }: CudaKernels, { products, attention, group }: DecodeForm): DecodeRing {
  const ring = decodeRing(products, device, { headDim: attention.headDim, group });
  if (ring === null)
    throw new QkNormError("ERR_QKNORM_SHAPE", "the rows of a product are too long for one launch");
  return ring;
}

function operandsOf(step: DecodeStep, left: boolean): (ByteRange | null)[] {
  if (step.product === "attention") {
    const { q, k, v, kCache, vCache, out, qWeight, kWeight } = step;
    return [q, k, v, kCache, vCache, out, qWeight, kWeight];
  }
  return [step.x, step.weight, step.normWeight, step.bias, step.residual, left ? null : step.y];
}

function numbersOf(
  step: DecodeStep,
  products: readonly DecodeProduct[],
  ring: DecodeRing,
  blocks: number,
): Readonly<Record<string, number>> {
  if (step.product === "attention") return { kind: kinds.attention };
  const product = products[step.product] as DecodeProduct;
  const { inputs, outputs, parts, norm, swiglu } = product;
  return {
    kind: (norm === "none" ? 0 : kinds.norm) + (swiglu ? kinds.swiglu : 0),
    ...{ eps: step.eps, inverse: 1 / inputs, inputs, outputs, parts, shift: Math.log2(parts) },
    ...decodeTiles(product, ring, blocks),
  };
}

function requestOf(kernels: CudaKernels, specialised: Specialised): LoadableKernel {
  let known = requests.get(kernels);
  if (known === undefined) {
    known = new Map();
    requests.set(kernels, known);
  }
  const key = JSON.stringify([specialised.form.steps, decodeMacros(specialised.form, specialised.ring)]);
  let wanted = known.get(key);
  if (wanted === undefined) {
    // Registers that some warps give others are of the architecture itself, not of all that follow it.
    wanted = opOf(specialised.form.steps).request(specialised, `${kernels.device.arch}a`);
    known.set(key, wanted);
  }
  return wanted;
}
