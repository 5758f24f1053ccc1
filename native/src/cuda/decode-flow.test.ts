import { describe, expect, it } from "vitest";
import { DecodeFlow } from "./decode-flow.ts";
import type { DecodeStep } from "./decode-step.ts";
import type { CudaMemory } from "./memory.ts";
import type { ByteRange } from "./product.ts";

type Product = Extract<DecodeStep, { product: number }>;
type Attention = Extract<DecodeStep, { product: "attention" }>;

/** Two query heads and one key/value head of 64 bf16 elements, whose keys may be cut in two. */
const heads = { kvHeads: 1, group: 2, headDim: 64, pieces: 2 };
const pieceWords = 2 * 2 * 68;

/** Memory of its own, which only its identity matters of. */
function memory(elements: number): ByteRange {
  return { memory: {} as CudaMemory, offset: 0, length: 2 * elements };
}

function part(range: ByteRange, from: number, elements: number): ByteRange {
  return { ...range, offset: range.offset + 2 * from, length: 2 * elements };
}

function product(x: ByteRange, outputs: number, given: Partial<Product> = {}): Product {
  const none = { normWeight: null, bias: null, residual: null };
  return { product: 0, eps: 0, x, weight: memory(8), y: memory(outputs), ...none, ...given };
}

function attention(packed: ByteRange, given: Partial<Attention> = {}): Attention {
  return {
    ...{ product: "attention", q: part(packed, 0, 128), k: part(packed, 128, 64), v: part(packed, 192, 64) },
    ...{ kCache: memory(640), vCache: memory(640), out: memory(128), qWeight: null, kWeight: null },
    ...given,
  };
}

describe("DecodeFlow", () => {
  it("gives words to what a later step reads, and to nothing else", () => {
    const flow = new DecodeFlow();
    const first = product(memory(8), 6);
    const second = product(first.y, 4);
    expect(flow.addProduct(first, 6) && flow.addProduct(second, 4)).toBe(true);
    expect(flow.steps).toEqual([
      { at: [null, 0], left: false },
      { at: [0, null], left: false },
    ]);
    expect(flow.words).toBe(4); // three words of two elements; four are loaded at once
  });

  it("leaves y to the attention that takes all of it", () => {
    const flow = new DecodeFlow();
    const qkv = product(memory(8), 256);
    const taken = attention(qkv.y);
    const after = product(taken.out, 8, { residual: qkv.x });
    expect(flow.addProduct(qkv, 256) && flow.addAttention(taken, heads) && flow.addProduct(after, 8)).toBe(
      true,
    );
    expect(flow.steps).toEqual([
      { at: [null, 0], left: true },
      { at: [0, 64, 96, 128, 192], left: false },
      { at: [128, null], left: false },
    ]);
    expect(flow.words).toBe(192 + pieceWords);
  });

  it("takes q, k and v of products of their own", () => {
    const flow = new DecodeFlow();
    const x = memory(8);
    const [q, k, v] = [product(x, 128), product(x, 64), product(x, 64)];
    for (const side of [q, k, v]) expect(flow.addProduct(side, side.y.length / 2)).toBe(true);
    expect(flow.addAttention(attention(x, { q: q.y, k: k.y, v: v.y }), heads)).toBe(true);
    expect(flow.steps.map(({ left }) => left)).toEqual([true, true, true, false]);
  });

  it("takes a residual from the product whose outputs the same blocks have, and from before the launch", () => {
    const flow = new DecodeFlow();
    const residual = memory(6);
    const first = product(memory(8), 6, { residual });
    const second = product(first.y, 6, { residual: first.y });
    expect(flow.addProduct(first, 6) && flow.addProduct(second, 6)).toBe(true);
  });

  const qkv = product(memory(8), 256);
  const elsewhere = memory(256);
  const refused: Record<string, (flow: DecodeFlow) => boolean> = {
    "a part of what a product left": (flow) => flow.addProduct(product(part(qkv.y, 0, 8), 6), 6),
    "a weight that was written": (flow) => flow.addProduct(product(memory(8), 6, { weight: qkv.y }), 6),
    "a bias that was written": (flow) =>
      flow.addProduct(product(memory(8), 6, { bias: part(qkv.y, 2, 6) }), 6),
    "a norm's weight that was written": (flow) =>
      flow.addProduct(product(memory(8), 6, { normWeight: part(qkv.y, 2, 8) }), 6),
    "a residual of which another block has a part": (flow) =>
      flow.addProduct(product(memory(8), 6, { residual: part(qkv.y, 0, 6) }), 6),
    "a y that was read": (flow) => flow.addProduct(product(memory(8), 8, { y: qkv.x }), 8),
    "a y that was written": (flow) => flow.addProduct(product(memory(8), 8, { y: part(qkv.y, 8, 8) }), 8),
    "a y that is its own x": (flow) => {
      const x = memory(8);
      return flow.addProduct(product(x, 8, { y: x }), 8);
    },
    "attention over what was there before": (flow) => flow.addAttention(attention(elsewhere), heads),
    "attention that leaves a part of y to nobody": (flow) =>
      flow.addAttention(attention(qkv.y, { v: part(elsewhere, 0, 64) }), heads),
    "a cache that was written": (flow) => flow.addAttention(attention(qkv.y, { kCache: qkv.y }), heads),
    "a gain that was written": (flow) =>
      flow.addAttention(attention(qkv.y, { qWeight: part(qkv.y, 0, 64) }), heads),
    "what attention took": (flow) =>
      flow.addAttention(attention(qkv.y), heads) && flow.addProduct(product(qkv.y, 6), 6),
    "attention over it twice": (flow) =>
      flow.addAttention(attention(qkv.y), heads) && flow.addAttention(attention(qkv.y), heads),
    "a residual that attention left": (flow) => {
      const taken = attention(qkv.y);
      return (
        flow.addAttention(taken, heads) &&
        flow.addProduct(product(memory(8), 128, { residual: taken.out }), 128)
      );
    },
  };
  it.each(Object.entries(refused))("refuses %s, and is as before", (_, add) => {
    const flow = new DecodeFlow();
    expect(flow.addProduct(qkv, 256)).toBe(true);
    expect(add(flow)).toBe(false);
    expect(flow.addProduct(product(memory(8), 6), 6)).toBe(true);
  });
});
