import { isQkNormError, type Refusal } from "@qknorm/core";
import { type CudaNormForm, CudaQkNorm, type QkNormOperand } from "@qknorm/native/cuda";
import type { FusedQkNorm, NormSide, QkNormCall, QkNormRun, TensorView } from "../../backend.ts";
import { bytesOf } from "../../dtype.ts";
import { cudaKernels, cudaStream } from "./device-state.ts";
import { memoryOf, ordinalOfMemory } from "./memory.ts";
import {
  type Affine,
  affineEntries,
  type CudaNorm,
  formOf,
  readAffine,
  sharedForm,
  sideOf,
} from "./norm-side.ts";
import { cudaQkNormRope } from "./qk-norm-rope.ts";

type Operands = Readonly<Record<"input" | "output" | "weight" | "bias", QkNormOperand>>;

const qOperands: Operands = { input: "qInput", output: "qOutput", weight: "qWeight", bias: "qBias" };
const kOperands: Operands = { input: "kInput", output: "kOutput", weight: "kWeight", bias: "kBias" };

/** QK norm on CUDA devices. */
export const cudaQkNorm: FusedQkNorm = {
  name: "cuda",
  qkNormRope: cudaQkNormRope,

  prepare(call: QkNormCall): QkNormRun | readonly Refusal[] {
    const norms = readNorms(call);
    if (!("q" in norms)) return norms;
    const launch = orRefusal(() => {
      const made = new QkNormLaunch(call, norms);
      made.load(call.tokens);
      return made;
    });
    return "code" in launch ? [launch] : launch.run;
  },

  async warmUp(call: QkNormCall): Promise<void> {
    const norms = readNorms(call);
    if ("q" in norms) await new QkNormLaunch(call, norms).warmUp();
  },
};

interface Norms {
  readonly q: CudaNorm;
  readonly k: CudaNorm;
}

/** Both norms as a launch takes them, or why there is no kernel for how their weights lie. */
function readNorms({ q, k, headDim, inPlace }: QkNormCall): Norms | readonly Refusal[] {
  if (q.heads === 0 || k.heads === 0) {
    return [{ code: "layout", detail: "one of q and k has no heads, so there is nothing to share a launch" }];
  }
  const across = Object.entries({ q, k }).filter(([, { spec }]) => spec.axis === "row");
  if (across.length > 0) {
    return across.map(([side]) => ({
      code: "axis-row",
      detail: `the ${side} norm runs across all heads of a token, and there is no fused kernel for that on a device`,
    }));
  }
  const affines = [
    readAffine(q.spec, q.heads, headDim, "the q norm's"),
    readAffine(k.spec, k.heads, headDim, "the k norm's"),
  ];
  const refusals = affines.filter((affine): affine is Refusal => "code" in affine);
  if (refusals.length > 0) return refusals;
  const out = inPlace ? null : { offset: 0 };
  const norm = (side: NormSide, affine: Affine): CudaNorm => ({ ...side, headDim, out, affine });
  return { q: norm(q, affines[0] as Affine), k: norm(k, affines[1] as Affine) };
}

/** What `make` gives, or the refusal where a kernel could not be made, which the JIT remembers. */
function orRefusal<R>(make: () => R): R | Refusal {
  try {
    return make();
  } catch (error) {
    if (isQkNormError(error) && ["ERR_NVRTC", "ERR_CUDA", "ERR_NATIVE"].includes(error.code)) {
      return { code: "kernel", detail: error.message };
    }
    throw error;
  }
}

/**
 * The launch of a fused call, for all tensors that lie as the call's do: of the same strides, with addresses as well
 * aligned. Where q and k need different kernels it is two launches.
 */
class QkNormLaunch {
  readonly #ordinal: number;
  readonly #width: number;
  readonly #inPlace: boolean;
  readonly #forms: readonly CudaNormForm[];
  readonly #q: CudaQkNorm;
  /** The same as `#q` where both share a launch. */
  readonly #k: CudaQkNorm;
  readonly #kOperands: Operands;
  readonly #qPhase: number;
  readonly #kPhase: number;
  #loadedFor = 0;

  /** Throws what `CudaQkNorm` and `cudaKernels` do. */
  constructor({ dtype, inPlace }: QkNormCall, { q, k }: Norms) {
    this.#ordinal = ordinalOfMemory(q.x);
    this.#width = bytesOf[dtype];
    this.#inPlace = inPlace;
    this.#qPhase = this.#phase(q.x);
    this.#kPhase = this.#phase(k.x);
    const [qForm, kForm] = [formOf(q), formOf(k)];
    const form = sharedForm(qForm, kForm);
    this.#forms = form === null ? [qForm, kForm] : [form];
    const kernels = cudaKernels(this.#ordinal);
    if (form !== null) {
      this.#q = new CudaQkNorm(kernels, { form, q: sideOf(q), k: sideOf(k) });
      this.#k = this.#q;
    } else {
      this.#q = new CudaQkNorm(kernels, { form: qForm, q: sideOf(q) });
      this.#k = new CudaQkNorm(kernels, { form: kForm, q: sideOf(k) });
    }
    this.#kOperands = form === null ? qOperands : kOperands;
    this.#bindAffine(this.#q, qOperands, q.affine);
    this.#bindAffine(this.#k, this.#kOperands, k.affine);
  }

  /** Compiles off the main thread, then loads, what any number of tokens needs. Rejects as `CudaKernels.warmUp` does. */
  async warmUp(): Promise<void> {
    const kernels = cudaKernels(this.#ordinal);
    await kernels.warmUp(this.#forms.flatMap((form) => CudaQkNorm.requests(form, kernels.device)));
  }

  /** Compiles and loads what the tokens need. Throws what `CudaQkNorm.load` does. */
  load(tokens: number): void {
    this.#loadedFor = 0;
    this.#q.tokens(tokens).load();
    this.#k.tokens(tokens).load();
    this.#loadedFor = tokens;
  }

  /** Queues the launch on the current stream of the device: a `QkNormRun`. */
  readonly run: QkNormRun = (q, k, qOut, kOut, tokens) => {
    if (this.#phase(q) !== this.#qPhase || this.#phase(k) !== this.#kPhase) return false;
    // Another number of tokens may take another kernel; one that cannot be made is for the plan to name.
    if (tokens !== this.#loadedFor && !this.#canLoad(tokens)) return false;
    const stream = cudaStream(this.#ordinal);
    this.#bind(this.#q, qOperands.input, q);
    this.#bind(this.#k, this.#kOperands.input, k);
    if (!this.#inPlace) {
      this.#bind(this.#q, qOperands.output, qOut);
      this.#bind(this.#k, this.#kOperands.output, kOut);
    }
    this.#q.run(stream);
    if (this.#k !== this.#q) this.#k.run(stream);
    return true;
  };

  #canLoad(tokens: number): boolean {
    return orRefusal(() => this.load(tokens)) === undefined;
  }

  #bindAffine(launch: CudaQkNorm, operands: Operands, affine: Affine): void {
    for (const [name, values] of affineEntries(affine, operands)) {
      launch.bind(name as QkNormOperand, memoryOf(values), values.offset * bytesOf[values.dtype]);
    }
  }

  #bind(launch: CudaQkNorm, operand: QkNormOperand, x: TensorView): void {
    launch.bind(operand, memoryOf(x), x.offset * this.#width);
  }

  /** Where in the widest access, of 16 bytes, a tensor starts. */
  #phase(x: TensorView): number {
    return (x.offset * this.#width) % 16;
  }
}
