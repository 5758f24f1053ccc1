import {
  copyNormSpec,
  type NormSpec,
  QkNormError,
  type QkNormErrorCode,
  type RefusalCode,
  sameNormSpec,
} from "@qknorm/core";
import { CudaRowNorm, type CudaStream, type RowNormOperand } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import { bytesOf } from "../../dtype.ts";
import { addedNorm } from "./add-normalize.ts";
import { cudaKernels, cudaStream } from "./device-state.ts";
import { memoryOf, ordinalOfMemory } from "./memory.ts";
import { affineEntries, formOf, readAffine, sideOf } from "./norm-side.ts";
import { postponed } from "./postponed.ts";

// By the spec, and gone with it: a norm module has one for life.
const bySpec = new WeakMap<object, RowNormLaunch[]>();
const mostPerSpec = 8;

/**
 * `out [T, H, D] = norm(x [T, H, D])`, out dense throughout. Queued on the current stream.
 *
 * Throws `ERR_QKNORM_DTYPE` and `ERR_QKNORM_LAYOUT` for weights that no kernel takes as they lie, and what the kernel
 * and its compilation do.
 */
export function normalize(x: TensorView, out: TensorView, spec: NormSpec<TensorView>): void {
  const launch = launchOf(x, spec);
  const ordinal = ordinalOfMemory(x);
  const late = postponed(ordinal);
  const sum = late?.sumFor(x, spec) ?? null;
  if (late === null || sum === null) {
    launch.run(x, out, cudaStream(ordinal));
    return;
  }
  const [rows, , width] = x.shape as [number, number, number];
  const asRows = (view: TensorView): TensorView => ({ ...view, shape: [rows, width], strides: [width, 1] });
  const both = addedNorm(asRows(sum.a), asRows(sum.b), asRows(sum.out), asRows(out), spec);
  late.add({ step: { kind: "norm of the sum", both }, run: (stream) => launch.run(x, out, stream) });
}

function launchOf(x: TensorView, spec: NormSpec<TensorView>): RowNormLaunch {
  const known = bySpec.get(spec) ?? [];
  const kept = known.find((one) => one.takes(x, spec));
  if (kept !== undefined) return kept;
  const made = new RowNormLaunch(x, spec);
  bySpec.set(spec, [made, ...known].slice(0, mostPerSpec));
  return made;
}

/** The launch of one norm, for all tensors of these strides that start as well aligned. */
class RowNormLaunch {
  readonly #spec: NormSpec<TensorView>;
  readonly #like: readonly unknown[];
  readonly #launch: CudaRowNorm;

  constructor(x: TensorView, spec: NormSpec<TensorView>) {
    const [, heads, headDim] = x.shape as [number, number, number];
    const affine = readAffine(spec, heads, headDim, "the norm's");
    if ("code" in affine) throw new QkNormError(errors[affine.code] ?? "ERR_QKNORM_LAYOUT", affine.detail);
    const norm = { x, heads, headDim, ...stridesOf(x), out: { offset: 0 }, spec, affine };
    this.#spec = copyNormSpec(spec);
    this.#like = likeness(x);
    const kernels = cudaKernels(ordinalOfMemory(x));
    this.#launch = new CudaRowNorm(kernels, { form: formOf(norm), x: sideOf(norm) });
    for (const [name, values] of affineEntries(affine, { weight: "weight", bias: "bias" })) {
      this.#bind(name as RowNormOperand, values);
    }
  }

  takes(x: TensorView, spec: NormSpec<TensorView>): boolean {
    return sameNormSpec(spec, this.#spec) && likeness(x).every((value, i) => value === this.#like[i]);
  }

  run(x: TensorView, out: TensorView, stream: CudaStream): void {
    this.#launch.tokens(x.shape[0] as number);
    this.#bind("input", x);
    this.#bind("output", out);
    this.#launch.run(stream);
  }

  #bind(operand: RowNormOperand, x: TensorView): void {
    this.#launch.bind(operand, memoryOf(x), x.offset * bytesOf[x.dtype]);
  }
}

const errors: Partial<Record<RefusalCode, QkNormErrorCode>> = { "weight-dtype": "ERR_QKNORM_DTYPE" };

/** What a launch was made for: the device, the heads, and how they lie. */
function likeness(x: TensorView): readonly unknown[] {
  const [, heads, headDim] = x.shape;
  const { tokenStride, headStride } = stridesOf(x);
  const phase = (x.offset * bytesOf[x.dtype]) % 16;
  return [x.memory.backend, x.dtype, heads, headDim, tokenStride, headStride, phase];
}

// A stride that is never walked may be any number: it must not cost alignment.
function stridesOf({ shape, strides }: TensorView) {
  const [tokens, heads] = shape as [number, number];
  const [tokenStride, headStride] = strides as [number, number];
  return { tokenStride: tokens > 1 ? tokenStride : 0, headStride: heads > 1 ? headStride : 0 };
}
