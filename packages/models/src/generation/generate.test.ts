import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { loadModel } from "../families/load-model.ts";
import { nextStep } from "../layers/sequence-step.ts";
import type { ForwardTrace } from "../layers/trace.ts";
import { loadTokenizer } from "../text/tokenizer.ts";
import { generate, generateNow } from "./generate.ts";

const folder = join(import.meta.dirname, "../../../../checkpoints/qwen3-sums");
const { model, generation } = loadModel(folder);
const tokenizer = loadTokenizer(folder);
const stopIds = generation.eosTokenIds;

function answer(prompt: string, options: Parameters<typeof generate>[2] = {}): string {
  return tokenizer.decode([...generateNow(model, tokenizer.encode(prompt), { stopIds, ...options })]);
}

describe("generate", () => {
  it("continues a prompt up to a stop id, which it does not yield", () => {
    expect(answer("127+456=")).toBe("583");
  });

  it("yields at most maxTokens tokens", () => {
    expect(answer("9999+1=", { maxTokens: 3 })).toBe("100");
    expect(answer("9999+1=", { maxTokens: 0 })).toBe("");
  });

  it("ends when the context is full", () => {
    const prompt = new Array<number>(250).fill(49);
    const tokens = [...generateNow(model, prompt, { sample: () => 49 })];
    // The token after the last position is chosen, but has no position of its own.
    expect(tokens).toHaveLength(256 - 250 + 1);
  });

  it("asks the sampler for every token, with the ids so far", () => {
    const seen: number[][] = [];
    const sample = (_: Float32Array, ids?: Iterable<number>): number => {
      seen.push([...(ids ?? [])]);
      return 50 + seen.length;
    };
    expect([...generateNow(model, [49, 43], { sample, maxTokens: 3 })]).toEqual([51, 52, 53]);
    expect(seen).toEqual([
      [49, 43],
      [49, 43, 51],
      [49, 43, 51, 52],
    ]);
  });

  it("gives the same tokens, and logits of the same bits, where a prefill is done in pieces", async () => {
    const prompt = tokenizer.encode("1234+4321=");
    const whole = model.forward(nextStep(prompt, model.newCache())).toNumbers();
    const pieces = model.forwardInPieces(nextStep(prompt, model.newCache()));
    let count = 0;
    let piece = pieces.next();
    for (; piece.done !== true; piece = pieces.next()) count += 1;
    expect(count).toBe(6);
    expect(piece.value.toNumbers()).toEqual(whole);

    const traces: ForwardTrace[] = [];
    const ids: number[] = [];
    const { signal } = new AbortController();
    const options = { stopIds, signal, onTrace: (trace: ForwardTrace) => traces.push(trace) };
    for await (const id of generate(model, prompt, options)) ids.push(id);
    expect(tokenizer.decode(ids)).toBe("5555");
    expect(traces.map(({ layers }) => layers.length)).toEqual([6, 6, 6, 6, 6]);
  });

  it("is given up between two layers of the prefill, or before the next token", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const long = new Array<number>(200).fill(49);
    const inPieces = model.forwardInPieces.bind(model);
    let layers = 0;
    const spied = vi.spyOn(model, "forwardInPieces").mockImplementation(function* (step) {
      const pieces = inPieces(step);
      for (let piece = pieces.next(); ; piece = pieces.next()) {
        if (piece.done === true) return piece.value;
        layers += 1;
        yield;
      }
    });
    setImmediate(() => controller.abort());
    expect(await generate(model, long, { signal }).next()).toEqual({ done: true, value: undefined });
    expect(layers).toBe(1);
    spied.mockRestore();

    const after = new AbortController();
    const ids: number[] = [];
    for await (const id of generate(model, [49, 43], { signal: after.signal, sample: () => 49 })) {
      ids.push(id);
      if (ids.length === 3) after.abort();
    }
    expect(ids).toEqual([49, 49, 49]);
  });

  it("traces one prefill of the whole prompt, then single tokens, every layer in order", () => {
    const traces: ForwardTrace[] = [];
    answer("127+456=", { onTrace: (trace) => traces.push(trace) });
    expect(traces.map(({ layers }) => layers[0]?.plan.layout.tokens)).toEqual([8, 1, 1, 1]);
    for (const { layers, totalMs } of traces) {
      expect(layers.map(({ layer }) => layer)).toEqual([0, 1, 2, 3, 4, 5]);
      expect(layers.reduce((sum, { ms }) => sum + ms, 0)).toBeLessThan(totalMs);
    }
  });

  it.each([
    ["an empty prompt", [], {}, /prompt is empty/],
    ["a prompt longer than the context", new Array<number>(257).fill(49), {}, /257 tokens.*256/],
    ["maxTokens that is no number", [49], { maxTokens: Number.NaN }, /maxTokens/],
  ])("refuses %s before any work", (_, prompt, options, message) => {
    expect(() => generateNow(model, prompt, options)).toThrowError(message);
  });

  it.each([99_999, 264, -1, 0.5])("refuses the token id %d, which the model has no embedding for", (id) => {
    expect(() => generateNow(model, [49, id], {})).toThrowError(`token id ${id} is outside 0..263`);
  });
});
