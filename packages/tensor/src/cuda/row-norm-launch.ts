import { copyNormSpec, type NormSpec, QkNormError, type RefusalCode, sameNormSpec } from "@qknorm/core";
import { CudaRowNorm, type RowNormOperand } from "@qknorm/native";
import { bytesOf, type FloatDtype } from "../dtype.ts";
import { typedError } from "../native-errors.ts";
import type { Tensor } from "../tensor.ts";
import { readAffine } from "./affine.ts";
import { cudaKernels } from "./kernels.ts";
import { formOf, sideOf } from "./norm-side.ts";
import type { CudaStorage } from "./storage.ts";
import { cudaStream } from "./streams.ts";

// By the spec, and gone with it: a norm module has one for life.
const bySpec = new WeakMap<object, RowNormLaunch[]>();
const mostPerSpec = 8;

/**
 * One norm on a device: `x [T, H, D]` with a dense last axis into `out`, dense throughout. Queued on the current stream.
 *
 * Throws `ERR_QKNORM_DTYPE` and `ERR_QKNORM_LAYOUT` for weights that no kernel takes as they lie, and what the kernel
 * and its compilation do.
 */
export function normalizeOnDevice(x: Tensor, out: Tensor, spec: NormSpec<Tensor>): void {
  const known = bySpec.get(spec) ?? [];
  let launch = known.find((one) => one.takes(x, spec));
  if (launch === undefined) {
    launch = new RowNormLaunch(x, out, spec);
    bySpec.set(spec, [launch, ...known].slice(0, mostPerSpec));
  }
  launch.run(x, out);
}

/** The launch of one norm, for all tensors of these strides that start as well aligned. */
class RowNormLaunch {
  readonly #spec: NormSpec<Tensor>;
  readonly #like: readonly unknown[];
  readonly #launch: CudaRowNorm;

  constructor(x: Tensor, out: Tensor, spec: NormSpec<Tensor>) {
    const [, heads, headDim] = x.shape as [number, number, number];
    const affine = readAffine(spec, heads, headDim, "the norm's");
    if ("code" in affine) throw new QkNormError(errors[affine.code] ?? "ERR_QKNORM_LAYOUT", affine.detail);
    const norm = {
      dtype: x.dtype as FloatDtype,
      heads,
      headDim,
      x: inMemory(x),
      out: inMemory(out),
      spec,
      affine,
    };
    this.#spec = copyNormSpec(spec);
    this.#like = likeness(x);
    const kernels = cudaKernels((x.storage as CudaStorage).ordinal);
    try {
      this.#launch = new CudaRowNorm(kernels, { form: formOf(norm), x: sideOf(norm) });
      if (affine.weight !== null) this.#bind("weight", affine.weight);
      if (affine.bias !== null) this.#bind("bias", affine.bias);
    } catch (error) {
      throw typedError(error);
    }
  }

  takes(x: Tensor, spec: NormSpec<Tensor>): boolean {
    return sameNormSpec(spec, this.#spec) && likeness(x).every((value, i) => value === this.#like[i]);
  }

  run(x: Tensor, out: Tensor): void {
    const stream = cudaStream((x.storage as CudaStorage).ordinal);
    try {
      this.#launch.tokens(x.shape[0] as number);
      this.#bind("input", x);
      this.#bind("output", out);
      this.#launch.run(stream);
    } catch (error) {
      throw typedError(error);
    }
  }

  #bind(operand: RowNormOperand, x: Tensor): void {
    this.#launch.bind(operand, (x.storage as CudaStorage).memory, x.offset * bytesOf[x.dtype]);
  }
}

const errors: Partial<Record<RefusalCode, "ERR_QKNORM_DTYPE">> = { "weight-dtype": "ERR_QKNORM_DTYPE" };

/** What a launch was made for: the device, the heads, and how they lie. */
function likeness(x: Tensor): readonly unknown[] {
  const [, heads, headDim] = x.shape;
  const { tokenStride, headStride, offset } = inMemory(x);
  return [x.device, x.dtype, heads, headDim, tokenStride, headStride, (offset * bytesOf[x.dtype]) % 16];
}

// A stride that is never walked may be any number: it must not cost alignment.
function inMemory({ shape, strides, offset }: Tensor) {
  const [tokens, heads] = shape as [number, number];
  const [tokenStride, headStride] = strides as [number, number];
  return { offset, tokenStride: tokens > 1 ? tokenStride : 0, headStride: heads > 1 ? headStride : 0 };
}
