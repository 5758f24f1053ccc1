// One norm on the GPU beside the formula in f64: random numbers in packed rows [q | k | v] with free strides, the
// launch, and every byte of the result judged.
import { type NormSpec, referenceNorm } from "@qknorm/core";
import {
  alignmentOf,
  CudaKernels,
  CudaMemory,
  type CudaNormForm,
  type CudaNormSide,
  CudaQkNorm,
  type CudaStream,
  cudaDevice,
  type LaunchConfig,
  type NativeDtype,
} from "../../src/index.ts";
import { type Bits, decoder, encodeAll, normal, sizeOf } from "../numbers.ts";
import { jit } from "./gpu.ts";

/** What differs from: bf16 RMS norm with bf16 weights, one rounding, in place. */
export type FormChoice = Partial<Omit<CudaNormForm, "alignment" | "weightAlignment">>;

export interface Shape {
  readonly tokens: number;
  /** Query heads and KV heads. */
  readonly heads: readonly [number, number];
  /** Elements from one head to the next; dense by default. */
  readonly headStride?: number;
  /** Elements that everything is shifted by, away from 16 bytes. */
  readonly shift?: number;
  /** One weight row per head in place of one for all. */
  readonly perHead?: boolean;
  readonly seed?: number;
}

export const plain: Omit<CudaNormForm, "alignment" | "weightAlignment"> = {
  headDim: 128,
  dtype: "bf16",
  kind: "rms",
  weight: "bf16",
  bias: null,
  weightOffset: 0,
  rounding: "once",
  inPlace: true,
};

const eps = [1e-6, 1e-5] as const;
const known = new Map<number, CudaKernels>();

/** The kernels of a device, shared by all tests of a file. */
export function kernelsOf(device = 0): CudaKernels {
  let kernels = known.get(device);
  if (kernels === undefined) {
    kernels = new CudaKernels(cudaDevice(device), jit);
    known.set(device, kernels);
  }
  return kernels;
}

/** The numbers of a case on the host, and how they lie. */
export class NormCase {
  readonly form: CudaNormForm;
  readonly shape: Shape;
  readonly before: Bits;
  readonly #weights: readonly (Bits | null)[];
  readonly #biases: readonly (Bits | null)[];
  readonly #headStride: number;
  readonly #tokenStride: number;
  readonly #start: number;

  constructor(choice: FormChoice, shape: Shape) {
    const chosen = { ...plain, ...choice };
    const { headDim, dtype } = chosen;
    const { tokens, heads, headStride = headDim, shift = 0, perHead = false, seed = 1 } = shape;
    this.shape = shape;
    this.#headStride = headStride;
    this.#tokenStride = (heads[0] + 2 * heads[1]) * headStride;
    this.#start = 64 + shift;
    const size = sizeOf(dtype);
    const offsets = [this.#start, headStride, this.#tokenStride].map((n) => n * size);
    this.form = { ...chosen, alignment: alignmentOf(...offsets), weightAlignment: 16 };
    if (dtype === "f32" && this.form.alignment === 2) throw new Error("f32 is never split");
    const random = normal(seed * 7919 + tokens);
    const shifted = chosen.kind === "layer" ? 0.5 : 0;
    this.before = encodeAll(
      dtype,
      this.#start + tokens * this.#tokenStride + 64,
      () => 2 * random() + shifted,
    );
    const rows = (count: number) => (perHead ? count : 1) * headDim;
    const scale = chosen.weightOffset === 1 ? 0.3 : 1;
    const { weight, bias } = chosen;
    this.#weights = heads.map((n) => weight && encodeAll(weight, rows(n), () => scale * random()));
    this.#biases = heads.map((n) => bias && encodeAll(bias, rows(n), random));
  }

  /** The whole buffer after the norm, in f64 arithmetic; what no output belongs to is as `background`. */
  expected(background: Bits = this.before): Bits {
    const { headDim, dtype, weightOffset, rounding, kind, weight: weightDtype, bias: biasDtype } = this.form;
    const y = background.slice();
    for (const side of [0, 1] as const) {
      const heads = this.shape.heads[side];
      const list = (bits: Bits | null, of: NativeDtype | null): number[] | null =>
        bits === null || of === null ? null : Array.from(bits, decoder(of));
      const spec = {
        ...{ kind, axis: "head", eps: eps[side], weightOffset, rounding },
        weight: list(this.#weights[side] as Bits | null, weightDtype),
        bias: list(this.#biases[side] as Bits | null, biasDtype),
      } as NormSpec<number[]>;
      const rows = this.#rowStarts(side);
      const x = rows.flatMap((at) => Array.from(this.before.subarray(at, at + headDim), decoder(dtype)));
      const y64 = referenceNorm({ x, heads, headDim, spec, dtype });
      const normed = encodeAll(dtype, x.length, (i) => y64[i] as number);
      rows.forEach((at, row) => {
        y.set(normed.subarray(row * headDim, (row + 1) * headDim), at);
      });
    }
    return y;
  }

  /** 1 for each element of the buffer that belongs to q or k. */
  owned(): Uint8Array {
    const mask = new Uint8Array(this.before.length);
    for (const side of [0, 1] as const) {
      for (const at of this.#rowStarts(side)) mask.fill(1, at, at + this.form.headDim);
    }
    return mask;
  }

  /** Both tensors of the launch, as `CudaQkNorm` and `CudaRowNorm` want them; `start` in bytes. */
  sides(): { view: CudaNormSide; start: number; weights: Bits | null; biases: Bits | null }[] {
    const { dtype, weight, bias, headDim } = this.form;
    const size = sizeOf(dtype);
    const affine = weight ?? bias;
    return ([0, 1] as const).map((index) => ({
      view: {
        heads: this.shape.heads[index],
        eps: eps[index],
        tokenStride: this.#tokenStride * size,
        headStride: this.#headStride * size,
        outTokenStride: this.#tokenStride * size,
        outHeadStride: this.#headStride * size,
        weightHeadStride: this.shape.perHead && affine ? headDim * sizeOf(affine) : 0,
      },
      start: (this.#start + index * this.shape.heads[0] * this.#headStride) * size,
      weights: this.#weights[index] ?? null,
      biases: this.#biases[index] ?? null,
    }));
  }

  /** A launch over `input`, into `output` unless in place, with weights of its own. */
  launch(stream: CudaStream, input: CudaMemory, output: CudaMemory, how: LaunchChoice = {}): PreparedNorm {
    const { config, tokens = this.shape.tokens } = how;
    const [q, k] = this.sides();
    if (q === undefined || k === undefined) throw new Error("a case has two sides");
    const options = { form: this.form, q: q.view, k: k.view, ...(config === undefined ? {} : { config }) };
    const norm = new CudaQkNorm(kernelsOf(stream.device), options).tokens(tokens);
    const owned: CudaMemory[] = [];
    const own = (bits: Bits): CudaMemory => {
      const memory = uploaded(stream, bits);
      owned.push(memory);
      return memory;
    };
    for (const [name, side] of [["q", q] as const, ["k", k] as const]) {
      norm.bind(`${name}Input`, input, side.start);
      if (!this.form.inPlace) norm.bind(`${name}Output`, output, side.start);
      if (side.weights) norm.bind(`${name}Weight`, own(side.weights));
      if (side.biases) norm.bind(`${name}Bias`, own(side.biases));
    }
    return {
      run: () => norm.run(stream),
      [Symbol.dispose]: () => {
        for (const memory of owned) memory.free();
      },
    };
  }

  /** Runs it once; the whole output buffer. */
  run(stream: CudaStream, config?: LaunchConfig): Bits {
    using input = uploaded(stream, this.before);
    using apart = uploaded(stream, this.before);
    const output = this.form.inPlace ? input : apart;
    using norm = this.launch(stream, input, output, config === undefined ? {} : { config });
    norm.run();
    const after = this.before.slice();
    output.download(after, stream);
    return after;
  }

  #rowStarts(side: 0 | 1): number[] {
    const { tokens, heads } = this.shape;
    const first = this.#start + side * heads[0] * this.#headStride;
    return Array.from(
      { length: tokens * heads[side] },
      (_, row) =>
        first + Math.floor(row / heads[side]) * this.#tokenStride + (row % heads[side]) * this.#headStride,
    );
  }
}

export interface LaunchChoice {
  /** In place of what the launch table picks. */
  readonly config?: LaunchConfig;
  /** More tokens than the case has on the host. */
  readonly tokens?: number;
}

export interface PreparedNorm extends Disposable {
  run(): void;
}

export function uploaded(stream: CudaStream, bits: Bits): CudaMemory {
  const memory = new CudaMemory(stream, bits.byteLength);
  memory.upload(bits, stream);
  return memory;
}
