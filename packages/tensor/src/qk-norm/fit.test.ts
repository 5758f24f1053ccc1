import type { FusedQkNormCall, NormSpec } from "@qknorm/core";
import { describe, expect, test } from "vitest";
import { filled, rms } from "../../test/qk-norm-cases.ts";
import type { QkNormCall } from "../backend.ts";
import { Tensor } from "../tensor.ts";
import { checkCall } from "./checks.ts";
import { QkNormFit } from "./fit.ts";

const D = 8;

function fitOf(q: Tensor, k: Tensor, spec: Partial<NormSpec<Tensor>> = {}, allowInplace = true) {
  const heads = (x: Tensor) => (x.shape[1] as number) / D;
  const call: FusedQkNormCall<Tensor> = {
    ...{ q, k, qSpec: { ...rms, ...spec }, kSpec: { ...rms, ...spec }, allowInplace },
    layout: {
      ...{ order: "tokens-first", leading: [q.shape[0] as number], tokens: q.shape[0] as number },
      ...{ headDim: D, queryHeads: heads(q), kvHeads: heads(k) },
    },
  };
  return QkNormFit.of(call, checkCall(call) as QkNormCall);
}

/** An array that follows its buffer. */
function shrinkable(length: number): Float32Array {
  const Resizable = ArrayBuffer as unknown as new (bytes: number, options: object) => ArrayBuffer;
  return new Float32Array(new Resizable(4 * length, { maxByteLength: 8 * length }));
}

function resize({ buffer }: Float32Array, length: number): void {
  (buffer as ArrayBuffer & { resize(bytes: number): void }).resize(4 * length);
}

/** q of 2 heads and k of 1 in packed rows of `width`, k starting at `kStart`. */
function packed(tokens: number, width = 3 * D, kStart = 2 * D): [Tensor, Tensor] {
  const all = filled(1, [(tokens + 1) * width], "f32");
  const rows = (start: number, heads: number) =>
    new Tensor(all.memory, "f32", [tokens, heads * D], { strides: [width, 1], offset: start });
  return [rows(0, 2), rows(kStart, 1)];
}

describe("what repeats", () => {
  test("is any number of tokens of packed q and k", () => {
    const fit = fitOf(...packed(2));
    for (const tokens of [1, 2, 9]) expect(fit?.tokens(...packed(tokens))).toBe(tokens);
  });

  test("is any number of tokens of q and k whose heads take turns in a row", () => {
    const turns = (tokens: number): [Tensor, Tensor] => {
      const all = filled(1, [tokens * 4 * D], "f32");
      const every = (start: number) =>
        new Tensor(all.memory, "f32", [tokens, 2, D], { strides: [4 * D, 2 * D, 1], offset: start });
      return [every(0), every(D)];
    };
    const [q, k] = turns(2);
    const call: FusedQkNormCall<Tensor> = {
      ...{ q, k, qSpec: rms, kSpec: rms, allowInplace: true },
      layout: {
        ...{ order: "tokens-first", leading: [2], tokens: 2, headDim: D, queryHeads: 2, kvHeads: 2 },
      },
    };
    const fit = QkNormFit.of(call, checkCall(call) as QkNormCall);
    for (const tokens of [1, 2, 9]) expect(fit?.tokens(...turns(tokens))).toBe(tokens);
  });

  test("is the same number alone where k reaches behind the token, though it starts within", () => {
    // k's head ends with the row of q: one element more, and the next token's q would begin in it.
    expect(fitOf(...packed(1, 3 * D, 2 * D))?.tokens(...packed(2, 3 * D, 2 * D))).toBe(2);
    expect(fitOf(...packed(1, 3 * D, 2 * D + 1))?.tokens(...packed(2, 3 * D, 2 * D + 1))).toBe(0);
    expect(fitOf(...packed(1, 3 * D, 2 * D + 1))?.tokens(...packed(1, 3 * D, 2 * D + 1))).toBe(1);
  });

  test("is not a call whose tensors end behind their memory, to the element", () => {
    const fit = fitOf(...packed(2));
    const [q, k] = packed(2);
    const whole = new Float32Array(3 * D + 3 * D);
    const exact = new Tensor(whole, "f32", [2, D], { strides: [3 * D, 1], offset: 2 * D });
    const own = new Tensor(whole, "f32", [2, 2 * D], { strides: [3 * D, 1] });
    expect(fit?.tokens(own, exact)).toBe(2);
    // Two arrays of one buffer are two memories: not as the call's tensors lay.
    const other = new Tensor(whole.subarray(), "f32", [2, D], { strides: [3 * D, 1], offset: 2 * D });
    expect(fit?.tokens(own, other)).toBe(0);
    expect(fit?.tokens(q, k)).toBe(2);
    const shorter = shrinkable(6 * D);
    const [a, b] = [2 * D, D].map(
      (width, i) => new Tensor(shorter, "f32", [2, width], { strides: [3 * D, 1], offset: i * 2 * D }),
    ) as [Tensor, Tensor];
    expect(fit?.tokens(a, b)).toBe(2);
    resize(shorter, 6 * D - 1);
    expect(fit?.tokens(a, b)).toBe(0);
  });

  test("is not a call that would write a weight: q or k in its memory", () => {
    const weight = filled(2, [8 * 3 * D], "f32");
    const spec = { weight: weight.slice(0, 0, D) };
    const fit = fitOf(...packed(2), spec);
    const inWeight = (start: number, heads: number) =>
      new Tensor(weight.memory, "f32", [2, heads * D], { strides: [3 * D, 1], offset: start });
    const [q, k] = packed(2);
    expect(fit?.tokens(q, k)).toBe(2);
    expect(fit?.tokens(inWeight(D, 2), inWeight(3 * D, 1))).toBe(0);
    const apart = fitOf(filled(3, [2, 2 * D], "f32"), filled(4, [2, D], "f32"), spec);
    const whole = (x: Tensor) => x.clone();
    expect(apart?.tokens(whole(filled(3, [2, 2 * D], "f32")), filled(4, [2, D], "f32"))).toBe(2);
    const dense = new Tensor(weight.memory, "f32", [2, D], { offset: 2 * D });
    expect(apart?.tokens(filled(3, [2, 2 * D], "f32"), dense)).toBe(0);
    expect(
      apart?.tokens(
        new Tensor(weight.memory, "f32", [2, 2 * D], { offset: 2 * D }),
        filled(4, [2, D], "f32"),
      ),
    ).toBe(0);
  });

  test("is not a call whose weight has lost its memory", () => {
    const data = shrinkable(D);
    const fit = fitOf(...packed(2), { weight: new Tensor(data, "f32", [D]) });
    expect(fit?.tokens(...packed(2))).toBe(2);
    resize(data, D - 1);
    expect(fit?.tokens(...packed(2))).toBe(0);
  });

  test.each<[string, (q: Tensor, k: Tensor) => [unknown, unknown]]>([
    [
      "k apart by another distance",
      (q, k) => [q, new Tensor(k.memory, "f32", k.shape, { strides: k.strides, offset: k.offset + D })],
    ],
    ["k in another memory", (q, k) => [q, packed(k.shape[0] as number)[1]]],
    ["other tokens for k", (q) => [q, packed(5)[1]]],
    ["another dtype", (q, k) => [filled(1, q.shape, "bf16"), k]],
    ["no tensor", (q) => [q, {}]],
    ["dense rows", (q, k) => [q.clone(), k.clone()]],
  ])("is not one with %s", (_, change) => {
    const [q, k] = packed(2);
    const fit = fitOf(q, k);
    expect(fit?.tokens(q, k)).toBe(2);
    expect(fit?.tokens(...(change(q, k) as [Tensor, Tensor]))).toBe(0);
  });
});

test("nothing repeats where q and k are two arrays of one buffer, or a weight lies beside q: it is checked each time", () => {
  const buffer = new ArrayBuffer(4 * 100);
  const at = (start: number, width: number) =>
    new Tensor(new Float32Array(buffer, 4 * start, 2 * width), "f32", [2, width]);
  expect(fitOf(at(0, 2 * D), at(4 * D, D))).toBeNull();
  const all = filled(1, [100], "f32");
  const q = new Tensor(all.memory, "f32", [2, 2 * D]);
  expect(fitOf(q, filled(2, [2, D], "f32"), { weight: all.slice(0, 90, 98) })).toBeNull();
  expect(fitOf(q, filled(2, [2, D], "f32"), { weight: all.slice(0, 90, 98) }, false)).not.toBeNull();
});
