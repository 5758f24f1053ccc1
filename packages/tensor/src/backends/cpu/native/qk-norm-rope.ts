import type { NormSpec, Refusal } from "@qknorm/core";
import {
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
import { clear, type Mutable, sideOf as normSideOf, nothing, place } from "./norm-side.ts";
import { arrayOf } from "./views.ts";
import { cacheOf } from "./write-cache.ts";

type Nullable<T> = Mutable<T> | null;

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

function sideOf(call: QkNormRopeCall, side: QkNormRopeSide): Mutable<NativeSide> {
  return { ...normSideOf(call, side, side.spec ?? noNorm), normalizes: side.spec !== null };
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
