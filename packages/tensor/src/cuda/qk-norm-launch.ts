import type { FusedQkNormCall, NormSpec } from "@qknorm/core";
import { type CudaNormForm, CudaQkNorm, type QkNormOperand } from "@qknorm/native";
import { bytesOf, type FloatDtype } from "../dtype.ts";
import { typedError } from "../native-errors.ts";
import { SideFit } from "../qk-norm-fit.ts";
import { Tensor } from "../tensor.ts";
import type { Affine } from "./affine.ts";
import { cudaKernels } from "./kernels.ts";
import { type CudaNorm, formOf, sharedForm, sideOf } from "./norm-side.ts";
import type { CudaStorage } from "./storage.ts";
import { cudaStream } from "./streams.ts";

type Call = FusedQkNormCall<Tensor>;
type Operands = Readonly<Record<"input" | "output" | "weight" | "bias", QkNormOperand>>;

const qOperands: Operands = { input: "qInput", output: "qOutput", weight: "qWeight", bias: "qBias" };
const kOperands: Operands = { input: "kInput", output: "kOutput", weight: "kWeight", bias: "kBias" };

/**
 * The launch of a fused call on a device, for all tensors that lie as the call's do: of the same strides, with addresses
 * as well aligned. Where q and k need different kernels it is two launches.
 */
export class CudaQkNormLaunch {
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

  /** Throws what `CudaQkNorm` and `cudaKernels` do. */
  constructor(call: Call, qAffine: Affine, kAffine: Affine) {
    const { q, k, layout } = call;
    this.#ordinal = (q.storage as CudaStorage).ordinal;
    this.#width = bytesOf[q.dtype];
    this.#inPlace = call.allowInplace;
    this.#qPhase = this.#phase(q);
    this.#kPhase = this.#phase(k);
    const qNorm = normOf(call, q, layout.queryHeads, call.qSpec, qAffine);
    const kNorm = normOf(call, k, layout.kvHeads, call.kSpec, kAffine);
    const [qForm, kForm] = [formOf(qNorm), formOf(kNorm)];
    const form = sharedForm(qForm, kForm);
    this.#forms = form === null ? [qForm, kForm] : [form];
    const kernels = cudaKernels(this.#ordinal);
    try {
      if (form !== null) {
        this.#q = new CudaQkNorm(kernels, { form, q: sideOf(qNorm), k: sideOf(kNorm) });
        this.#k = this.#q;
      } else {
        this.#q = new CudaQkNorm(kernels, { form: qForm, q: sideOf(qNorm) });
        this.#k = new CudaQkNorm(kernels, { form: kForm, q: sideOf(kNorm) });
      }
      this.#kOperands = form === null ? qOperands : kOperands;
      bindAffine(this.#q, qOperands, qAffine);
      bindAffine(this.#k, this.#kOperands, kAffine);
    } catch (error) {
      throw typedError(error);
    }
  }

  /** Whether tensors of these strides start where the kernel's accesses may. */
  takes(q: Tensor, k: Tensor): boolean {
    return this.#phase(q) === this.#qPhase && this.#phase(k) === this.#kPhase;
  }

  /** Compiles off the main thread, then loads, what any number of tokens needs. Rejects as `CudaKernels.warmUp` does. */
  async warmUp(): Promise<void> {
    const kernels = cudaKernels(this.#ordinal);
    await kernels.warmUp(this.#forms.flatMap((form) => CudaQkNorm.requests(form, kernels.device)));
  }

  /** Compiles and loads what the tokens need. Throws what `CudaQkNorm.load` does. */
  load(tokens: number): void {
    try {
      this.#q.tokens(tokens).load();
      this.#k.tokens(tokens).load();
    } catch (error) {
      throw typedError(error);
    }
  }

  /** Queues the launch on the current stream of the device; returns q and k, or what they became out of place. */
  run(q: Tensor, k: Tensor, tokens: number): [Tensor, Tensor] {
    if (this.#inPlace) {
      this.#launch(q, k, q, k, tokens);
      return [q, k];
    }
    const qOut = Tensor.empty(q.shape, q.dtype, q.device);
    let kOut: Tensor | undefined;
    try {
      kOut = Tensor.empty(k.shape, k.dtype, k.device);
      this.#launch(q, k, qOut, kOut, tokens);
      return [qOut, kOut];
    } catch (error) {
      qOut.dispose();
      kOut?.dispose();
      throw error;
    }
  }

  #launch(q: Tensor, k: Tensor, qOut: Tensor, kOut: Tensor, tokens: number): void {
    const stream = cudaStream(this.#ordinal);
    try {
      bind(this.#q.tokens(tokens), qOperands.input, q, this.#width);
      bind(this.#k.tokens(tokens), this.#kOperands.input, k, this.#width);
      if (!this.#inPlace) {
        bind(this.#q, qOperands.output, qOut, this.#width);
        bind(this.#k, this.#kOperands.output, kOut, this.#width);
      }
      this.#q.run(stream);
      if (this.#k !== this.#q) this.#k.run(stream);
    } catch (error) {
      throw typedError(error);
    }
  }

  /** Where in the widest access, of 16 bytes, a tensor starts. */
  #phase(x: Tensor): number {
    return (x.offset * this.#width) % 16;
  }
}

function normOf(call: Call, x: Tensor, heads: number, spec: NormSpec, affine: Affine): CudaNorm {
  const { headDim } = call.layout;
  const { tokenStride, headStride } = SideFit.of(x, call.layout, heads) as SideFit;
  const out = { offset: 0, tokenStride: heads * headDim, headStride: headDim };
  return {
    dtype: x.dtype as FloatDtype,
    heads,
    headDim,
    x: { offset: x.offset, tokenStride, headStride },
    out: call.allowInplace ? null : out,
    spec: spec as NormSpec<Tensor>,
    affine,
  };
}

function bindAffine(launch: CudaQkNorm, operands: Operands, { weight, bias }: Affine): void {
  if (weight !== null) bind(launch, operands.weight, weight, bytesOf[weight.dtype]);
  if (bias !== null) bind(launch, operands.bias, bias, bytesOf[bias.dtype]);
}

function bind(launch: CudaQkNorm, operand: QkNormOperand, x: Tensor, width: number): void {
  launch.bind(operand, (x.storage as CudaStorage).memory, x.offset * width);
}
