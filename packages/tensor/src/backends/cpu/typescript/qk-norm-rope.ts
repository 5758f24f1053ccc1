import type { Refusal } from "@qknorm/core";
import type {
  FusedQkNormRope,
  IndexView,
  QkNormRopeCall,
  QkNormRopeRun,
  QkNormRopeSide,
  TensorView,
} from "../../../backend.ts";
import { sideWeightRefusals } from "../weights.ts";
import { normalize } from "./normalize.ts";
import { rope } from "./rope.ts";
import { writeCache } from "./write-cache.ts";

/** The chain in plain TypeScript: each step over all tokens, with the roundings of the ops. */
export const typescriptQkNormRope: FusedQkNormRope = {
  prepare(call: QkNormRopeCall): QkNormRopeRun | readonly Refusal[] {
    const { q, k, headDim, inPlace, order, write } = call;
    const refusals = [...sideWeightRefusals("q", q.spec), ...sideWeightRefusals("k", k.spec)];
    if (refusals.length > 0) return refusals;

    const run = (
      side: QkNormRopeSide,
      x: TensorView,
      y: TensorView,
      positions: IndexView | null,
      tokens: number,
    ) => {
      const out = inPlace ? rowsOf(y, side, headDim, tokens) : denseRowsOf(y, side.heads, headDim, tokens);
      const { spec } = side;
      const turn = (): void => {
        if (call.rope !== null && positions !== null) {
          rope(out, call.rope.table, positions, call.rope.rounding);
        }
      };
      const from = rowsOf(x, side, headDim, tokens);
      if (spec === null) {
        if (!inPlace) copyRows(from, out);
        turn();
      } else if (order === "norm-rope") {
        normalize(acrossHeads(from, spec.axis), acrossHeads(out, spec.axis), spec);
        turn();
      } else {
        if (!inPlace) copyRows(from, out);
        turn();
        normalize(acrossHeads(out, spec.axis), acrossHeads(out, spec.axis), spec);
      }
      return out;
    };

    return ({ q: qIn, k: kIn, qOut, kOut, v, positions, slots, tokens }) => {
      run(q, qIn, qOut, positions, tokens);
      const keys = run(k, kIn, kOut, positions, tokens);
      if (write !== null && v !== null && slots !== null) {
        const values = rowsOf(v, { ...write.v, spec: null }, headDim, tokens);
        writeCache(keys, values, write.kCache, write.vCache, slots, write.scales);
      }
      return true;
    };
  },
};

/** `[T, H, D]` of a tensor that lies as its side says. */
function rowsOf(
  { memory, dtype, offset }: TensorView,
  { heads, tokenStride, headStride }: QkNormRopeSide,
  headDim: number,
  tokens: number,
): TensorView {
  const shape = [tokens, heads, headDim];
  return {
    memory,
    dtype,
    offset,
    shape,
    strides: [tokenStride, headStride, 1],
    size: tokens * heads * headDim,
  };
}

function denseRowsOf(x: TensorView, heads: number, headDim: number, tokens: number): TensorView {
  const { memory, dtype, offset, size } = x;
  const strides = [heads * headDim, headDim, 1];
  return { memory, dtype, offset, size, shape: [tokens, heads, headDim], strides };
}

/** Across heads, a token is one row. */
function acrossHeads(x: TensorView, axis: "head" | "row"): TensorView {
  if (axis === "head") return x;
  const [tokens, heads, headDim] = x.shape as [number, number, number];
  return { ...x, shape: [tokens, 1, heads * headDim] };
}

function copyRows(from: TensorView, to: TensorView): void {
  const { backend } = from.memory;
  backend.copy(from, to);
}
