import type { QkNormRopeSteps, QkNormRopeTensors } from "@qknorm/core";
import { rope } from "../ops/rope.ts";
import { writeCache } from "../ops/write-cache.ts";
import { overlapsItself } from "../overlap.ts";
import { lastAxisIsDense } from "../strides.ts";
import { Tensor } from "../tensor.ts";
import { tidy } from "../tidy.ts";
import { checkParts } from "./checks.ts";

/** The steps of a chain that is not fused, by the ops of the tensors' device. Throws for all that is wrong with it. */
export function stepsOf(call: QkNormRopeTensors<Tensor>): QkNormRopeSteps<Tensor> {
  const { layout, allowInplace } = call;
  const { rope: turn, positions, cache } = checkParts(call);
  const order = layout.order;

  return {
    rotate(x) {
      if (turn === null || positions === null) return x;
      const mine = allowInplace && asHeads(x, order) !== null && !overlapsItself(x);
      const y = mine ? x : copied(x, order);
      rope(asHeads(y, order) as Tensor, turn.table, positions, turn.rounding);
      return y;
    },

    write(k, v) {
      if (cache === null) return;
      const { kCache, vCache, slots, scales } = cache;
      tidy(() => {
        const [keys, values] = [k, v].map((x) => asHeads(x, order) ?? asHeads(copied(x, order), order));
        writeCache(keys as Tensor, values as Tensor, kCache, vCache, slots, scales);
      });
    },
  };
}

/** `[T, H, D]`, or `null` where that takes a copy. */
function asHeads(x: Tensor, order: "tokens-first" | "heads-first"): Tensor | null {
  const tokensFirst = order === "heads-first" ? x.transpose(-3, -2) : x;
  const [heads, headDim] = tokensFirst.shape.slice(-2) as [number, number];
  const view = tokensFirst.tryView([heads * headDim === 0 ? 0 : x.size / (heads * headDim), heads, headDim]);
  return view !== null && lastAxisIsDense(view) ? view : null;
}

/** Dense with the tokens first, in the order of axes that x shows. */
function copied(x: Tensor, order: "tokens-first" | "heads-first"): Tensor {
  if (order === "tokens-first") return x.clone();
  const { shape, dtype, device } = x;
  const [heads, tokens, headDim] = shape.slice(-3) as [number, number, number];
  const dense = Tensor.empty([...shape.slice(0, -3), tokens, heads, headDim], dtype, device);
  return dense.transpose(-3, -2).copyFrom(x);
}
