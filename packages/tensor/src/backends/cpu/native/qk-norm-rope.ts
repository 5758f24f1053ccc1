import type { NormSpec, Refusal } from "@qknorm/core";
import {
  type NativeArray,
  type QkNormRopeCall as NativeCall,
  type ChainSide as NativeSide,
  qkNormRope,
} from "@qknorm/native/cpu";
import type {
  FusedQkNormRope,
  IndexView,
  QkNormRopeCall,
  QkNormRopeRun,
  QkNormRopeSide,
  TensorView,
} from "../../../backend.ts";
import { dataOf, hostIndices } from "../memory.ts";
import { sideWeightRefusals } from "../weights.ts";
import { affineOf } from "./affine.ts";
import { arrayOf } from "./views.ts";
import { cacheOf } from "./write-cache.ts";

type Mutable<T> = { -readonly [Field in keyof T]: T[Field] };
type Nullable<T> = Mutable<T> | null;

// Between two calls: what was normalised last is not for this module to keep alive.
const nothing: NativeArray = new Float32Array(0);
const nobody: Int32Array = new Int32Array(0);

const noNorm: NormSpec<TensorView> = {
  ...{ kind: "rms", axis: "head", weight: null, eps: 0, weightOffset: 0, rounding: "once" },
};

/** The chain by the addon, in one call. Each run of a prepared one changes memory, offsets, indices and tokens alone. */
export const nativeQkNormRope: FusedQkNormRope = {
  prepare(call: QkNormRopeCall): QkNormRopeRun | readonly Refusal[] {
    const refusals = [...sideWeightRefusals("q", call.q.spec), ...sideWeightRefusals("k", call.k.spec)];
    if (refusals.length > 0) return refusals;
    const [q, k] = [sideOf(call, call.q), sideOf(call, call.k)];
    const [rope, write] = [ropeOf(call), writeOf(call)];
    const { dtype, headDim, order } = call;
    const native: Mutable<NativeCall> = { dtype, headDim, tokens: 0, order, q, k, rope, write };
    return (views) => {
      native.tokens = views.tokens;
      place(q, views.q, views.qOut);
      place(k, views.k, views.kOut);
      if (rope !== null) rope.positions = hostIndices(views.positions as IndexView);
      if (write !== null) {
        write.v.data = arrayOf(views.v as TensorView);
        write.v.offset = (views.v as TensorView).offset;
        write.slots = hostIndices(views.slots as IndexView);
      }
      try {
        qkNormRope(native);
      } finally {
        clear(q);
        clear(k);
        if (rope !== null) rope.positions = nobody;
        if (write !== null) {
          write.v.data = nothing;
          write.slots = nobody;
        }
      }
      return true;
    };
  },
};

function sideOf({ headDim, inPlace }: QkNormRopeCall, side: QkNormRopeSide): Mutable<NativeSide> {
  const { heads, tokenStride, headStride } = side;
  const spec = side.spec ?? noNorm;
  return {
    normalizes: side.spec !== null,
    input: nothing,
    inputOffset: 0,
    inputTokenStride: tokenStride,
    inputHeadStride: headStride,
    output: nothing,
    outputOffset: 0,
    outputTokenStride: inPlace ? tokenStride : heads * headDim,
    outputHeadStride: inPlace ? headStride : headDim,
    heads,
    axis: spec.axis,
    ...affineOf(spec, headDim),
  };
}

function ropeOf({ rope }: QkNormRopeCall): Nullable<NonNullable<NativeCall["rope"]>> {
  if (rope === null) return null;
  const { cos, sin, layout = "halves" } = rope.table;
  return {
    half: cos.shape[1] as number,
    layout,
    rounding: rope.rounding,
    cos: dataOf(cos) as Float32Array,
    cosOffset: cos.offset,
    sin: dataOf(sin) as Float32Array,
    sinOffset: sin.offset,
    tableRows: cos.shape[0] as number,
    positions: nobody,
  };
}

function writeOf({ write }: QkNormRopeCall) {
  if (write === null) return null;
  const { v, kCache, vCache, scales } = write;
  const { tokenStride, headStride } = v;
  return {
    ...cacheOf(kCache, vCache, scales),
    v: { data: nothing, offset: 0, tokenStride, headStride },
    slots: nobody,
  };
}

function place(side: Mutable<NativeSide>, x: TensorView, out: TensorView): void {
  side.input = arrayOf(x);
  side.inputOffset = x.offset;
  side.output = arrayOf(out);
  side.outputOffset = out.offset;
}

function clear(side: Mutable<NativeSide>): void {
  side.input = nothing;
  side.output = nothing;
}
