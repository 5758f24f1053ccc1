import { type Alignment, alignmentOf, type CudaNormForm, type CudaNormSide } from "@qknorm/native/cuda";
import type { NormSide, TensorView } from "../../backend.ts";
import { bytesOf, type FloatDtype } from "../../dtype.ts";
import type { Affine } from "./affine.ts";

/** One tensor to normalise on a device, and where the result goes: dense, or `null` for in place. */
export interface CudaNorm extends NormSide {
  readonly headDim: number;
  readonly out: { readonly offset: number } | null;
  readonly affine: Affine;
}

/** What its kernel is compiled for. */
export function formOf(norm: CudaNorm): CudaNormForm {
  const { x, headDim, out, spec, affine } = norm;
  const { weight, bias, headStride } = affine;
  const dtype = x.dtype as FloatDtype;
  const affineDtype = dtypeOf(affine);
  const width = bytesOf[dtype];
  const places = [
    x.offset,
    norm.tokenStride,
    norm.headStride,
    ...(out === null ? [] : [out.offset, headDim]),
  ];
  const affinePlaces = [weight?.offset ?? 0, bias?.offset ?? 0, headStride];
  return {
    headDim,
    dtype,
    kind: spec.kind,
    weight: weight && affineDtype,
    bias: bias && affineDtype,
    weightOffset: weight === null ? 0 : spec.weightOffset,
    rounding: spec.rounding,
    inPlace: out === null,
    alignment: alignmentOf(...places.map((elements) => elements * width)),
    weightAlignment: alignmentOf(...affinePlaces.map((elements) => elements * bytesOf[affineDtype])),
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
export function sideOf({
  x,
  heads,
  headDim,
  tokenStride,
  headStride,
  out,
  spec,
  affine,
}: CudaNorm): CudaNormSide {
  const width = bytesOf[x.dtype];
  return {
    heads,
    eps: spec.eps,
    tokenStride: tokenStride * width,
    headStride: headStride * width,
    weightHeadStride: affine.headStride * bytesOf[dtypeOf(affine)],
    ...(out && { outTokenStride: heads * headDim * width, outHeadStride: headDim * width }),
  };
}

function dtypeOf({ weight, bias }: Affine): FloatDtype {
  return ((weight ?? bias)?.dtype ?? "f32") as FloatDtype;
}

/** The addresses of a norm's weights, for the launch that binds them by these names. */
export function affineEntries(
  { weight, bias }: Affine,
  names: { readonly weight: string; readonly bias: string },
): (readonly [name: string, values: TensorView])[] {
  return [
    ...(weight === null ? [] : [[names.weight, weight] as const]),
    ...(bias === null ? [] : [[names.bias, bias] as const]),
  ];
}
