import { describe, expect, test } from "vitest";
import { random } from "../../test/random-tensors.ts";
import { Indices } from "../indices.ts";
import { rope } from "../ops/rope.ts";
import type { Tensor } from "../tensor.ts";
import { stepsOf } from "./steps.ts";

const table = { cos: random(1, [8, 4]), sin: random(2, [8, 4]) };
const positions = Indices.from([3, 5]);

/** The steps for q and k of 2 tokens, whose heads are 8 wide. */
function stepsFor(q: Tensor, k: Tensor, order: "tokens-first" | "heads-first", allowInplace = false) {
  return stepsOf({
    ...{ q, k, v: null, positions, cache: null, allowInplace },
    rope: { ...table, layout: "halves", rounding: "once" },
    layout: { order, leading: [], tokens: 2, headDim: 8, queryHeads: 3, kvHeads: 3 },
  });
}

function turned(x: Tensor): readonly number[] {
  const copy = x.clone();
  rope(copy, table, positions, "once");
  return [...copy.toNumbers()];
}

describe("a step that turns apart", () => {
  test("leaves x as it was, and gives the tokens one after the other in memory", () => {
    const x = random(3, [2, 3, 8]);
    const before = x.toNumbers();
    const y = stepsFor(x, x, "tokens-first").rotate(x) as Tensor;
    expect([...y.toNumbers()]).toEqual(turned(x));
    expect(y.contiguous).toBe(true);
    expect(x.toNumbers()).toEqual(before);
  });

  test("does so where the heads come first, which are shown first again", () => {
    const x = random(3, [2, 3, 8]);
    const shown = x.transpose(0, 1);
    const y = stepsFor(shown, shown, "heads-first").rotate(shown) as Tensor;
    expect(y.shape).toEqual([3, 2, 8]);
    expect([...y.transpose(0, 1).toNumbers()]).toEqual(turned(x));
    expect(y.transpose(0, 1).contiguous).toBe(true);
  });
});

test("a step that may write turns x itself, or a copy where its tokens and heads are no one view", () => {
  const x = random(3, [2, 3, 8]);
  const wanted = turned(x);
  const steps = stepsFor(x, x, "tokens-first", true);
  expect(steps.rotate(x)).toBe(x);
  expect([...x.toNumbers()]).toEqual(wanted);
  const columns = random(4, [2, 8, 3]).transpose(1, 2);
  const y = stepsFor(columns, columns, "tokens-first", true).rotate(columns) as Tensor;
  expect(y).not.toBe(columns);
  expect([...y.toNumbers()]).toEqual(turned(columns));
});
