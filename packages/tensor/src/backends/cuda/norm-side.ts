import type { NormSpec, Refusal } from "@qknorm/core";
import { type Alignment, alignmentOf, type CudaNormForm, type CudaNormSide } from "@qknorm/native/cuda";
import type { NormSide, TensorView } from "../../backend.ts";
import { reshapedView } from "../../checked-view.ts";
import { bytesOf, type FloatDtype } from "../../dtype.ts";
import { lastAxisIsDense } from "../../strides.ts";

/** Weight and bias of a norm as a kernel addresses them. */
export interface Affine {
  readonly weight: TensorView | null;
  readonly bias: TensorView | null;
  /** Elements between the rows of `[H, D]`, of weight and bias alike; 0 for `[D]`. */
  readonly headStride: number;
}

/**
 * The weights of a norm of `heads` heads, or why no kernel takes them as they lie. Their sizes are checked already;
 * `whose` is for messages: "the q norm's".
 */
export function readAffine(
  spec: NormSpec<TensorView>,
  heads: number,
  headDim: number,
  whose: string,
): Affine | Refusal {
  const { weight } = spec;
  const bias = spec.bias ?? null;
  if (weight !== null && bias !== null && weight.dtype !== bias.dtype) {
    return { code: "weight-dtype", detail: `${whose} weight is ${weight.dtype} and its bias ${bias.dtype}` };
  }
  const strides = [weight, bias].flatMap((values) => (values === null ? [] : [rowStride(values, headDim)]));
  if (strides.includes(null)) {
    return { code: "layout", detail: `${whose} weight or bias has rows with gaps` };
  }
  const [headStride = 0, other = headStride] = strides as number[];
  if (heads > 1 && headStride !== other) {
    return { code: "weight-shape", detail: `${whose} weight and bias have rows of different strides` };
  }
  return { weight, bias, headStride: heads > 1 ? headStride : 0 };
}

/** 0 for one row; `null` where its elements have gaps or the rows have no single stride. */
function rowStride(values: TensorView, headDim: number): number | null {
  const rows = reshapedView(values, [values.size / headDim, headDim]);
  if (rows === null || !lastAxisIsDense(rows)) return null;
  return rows.shape[0] === 1 ? 0 : (rows.strides[0] as number);
}

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
