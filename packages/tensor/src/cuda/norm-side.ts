import type { NormSpec } from "@qknorm/core";
import { type Alignment, alignmentOf, type CudaNormForm, type CudaNormSide } from "@qknorm/native";
import { bytesOf, type FloatDtype } from "../dtype.ts";
import type { Tensor } from "../tensor.ts";
import type { Affine } from "./affine.ts";

/** `[T, H, D]` in the memory of a device, the last axis dense. Strides count elements. */
interface HeadsInMemory {
  readonly offset: number;
  readonly tokenStride: number;
  readonly headStride: number;
}

/** One tensor to normalise on a device. */
export interface CudaNorm {
  readonly dtype: FloatDtype;
  readonly heads: number;
  readonly headDim: number;
  readonly x: HeadsInMemory;
  /** `null`: in place. */
  readonly out: HeadsInMemory | null;
  readonly spec: NormSpec<Tensor>;
  readonly affine: Affine;
}

/** What its kernel is compiled for. */
export function formOf({ dtype, headDim, x, out, spec, affine }: CudaNorm): CudaNormForm {
  const { weight, bias, headStride } = affine;
  const bytes = (width: number, elements: readonly number[]) => elements.map((n) => n * width);
  const places = [x, ...(out === null ? [] : [out])].flatMap((heads) => [
    heads.offset,
    heads.tokenStride,
    heads.headStride,
  ]);
  const affineDtype = (weight?.dtype ?? bias?.dtype ?? "f32") as FloatDtype;
  return {
    headDim,
    dtype,
    kind: spec.kind,
    weight: weight && affineDtype,
    bias: bias && affineDtype,
    weightOffset: weight === null ? 0 : spec.weightOffset,
    rounding: spec.rounding,
    inPlace: out === null,
    alignment: alignmentOf(...bytes(bytesOf[dtype], places)),
    weightAlignment: alignmentOf(
      ...bytes(bytesOf[affineDtype], [weight?.offset ?? 0, bias?.offset ?? 0, headStride]),
    ),
  };
}

/** The form of two norms in one launch; `null` when they differ in more than alignment. */
export function sharedForm(q: CudaNormForm, k: CudaNormForm): CudaNormForm | null {
  const form = {
    ...q,
    alignment: Math.min(q.alignment, k.alignment) as Alignment,
    weightAlignment: Math.min(q.weightAlignment, k.weightAlignment) as Alignment,
  };
  const aligned = { ...k, alignment: form.alignment, weightAlignment: form.weightAlignment };
  const fields = Object.keys(form) as (keyof CudaNormForm)[];
  return fields.every((field) => form[field] === aligned[field]) ? form : null;
}

/** The numbers of a launch, in bytes. */
export function sideOf({ dtype, heads, x, out, spec, affine }: CudaNorm): CudaNormSide {
  const width = bytesOf[dtype];
  const affineWidth = bytesOf[(affine.weight ?? affine.bias)?.dtype ?? "f32"];
  return {
    heads,
    eps: spec.eps,
    tokenStride: x.tokenStride * width,
    headStride: x.headStride * width,
    weightHeadStride: affine.headStride * affineWidth,
    ...(out && { outTokenStride: out.tokenStride * width, outHeadStride: out.headStride * width }),
  };
}
