import { examine } from "@qknorm/native";
import { afterEach, beforeAll, describe, expect } from "vitest";
import { liveBytes, openDevice } from "../src/index.ts";
import { type StepCase, togetherSuite } from "./together-suite.ts";

const device = "cuda:0";
const cuda = examine().providers.find(({ name }) => name === "cuda");
const missing = cuda?.ready ? "" : ` (skipped: no GPU to test on: ${cuda?.because})`;

const small: StepCase = {
  ...{ dtype: "bf16", hidden: 256, heads: [4, 2], headDim: 128, intermediate: 384, vocab: 1000 },
  ...{ layers: 2, capacity: 512, past: [0, 1, 63, 64, 65, 200, 511, 3, 500] }, // fewer pieces, and more again
};

describe.skipIf(missing !== "")(`joined ops on a GPU${missing}`, () => {
  beforeAll(async () => {
    await openDevice(device);
  });
  afterEach(() => {
    expect(liveBytes(device)).toBe(0);
  });
  togetherSuite(device, {
    "a small decoder": small,
    "what are no numbers": { ...small, spoiled: true, past: [0, 70] },
    "f16, head dim 64, one query head of each": { ...small, dtype: "f16", heads: [3, 3], headDim: 64 },
    "head dim 256, eight query heads": { ...small, heads: [16, 2], headDim: 256, past: [0, 90, 500] },
    "a group of three, partial rotary, bias": { ...small, heads: [6, 2], rotaryDim: 64, bias: true },
    "1 + weight, RoPE first, a window, a cap": {
      ...small,
      ...{ norm: { weightOffset: 1 }, order: "rope-norm", window: 100, softCap: 30 },
    },
    "no QK norm, l2 elsewhere": { ...small, qkNorm: "none", norm: { kind: "l2" } },
    "something between attention and its projection": { ...small, gap: true },
    "rounded as Hugging Face does": { ...small, rounding: "hf" },
    "rounded so, f16, head dim 64, a window, a cap": {
      ...{ ...small, dtype: "f16", rounding: "hf", headDim: 64, window: 100, softCap: 30 },
    },
    "rounded so, head dim 256, eight query heads, RoPE first": {
      ...{ ...small, rounding: "hf", heads: [16, 2], headDim: 256, order: "rope-norm", past: [0, 90, 500] },
    },
    "keys in pages": { ...small, pageSize: 16 },
    "keys in pages, rounded so": { ...small, pageSize: 16, rounding: "hf" },
    "many keys in pages of an odd size, a window": {
      ...{ ...small, pageSize: 7, heads: [2, 1], capacity: 7 * 1024, window: 6000, past: [511, 512, 7166] },
    },
    "keys in pages, a token that goes to the place of another": {
      ...{ ...small, pageSize: 16, rounding: "hf", goesTo: 17, past: [16, 30, 500] },
    },
    "rounded so, many keys of one head": {
      ...{ ...small, rounding: "hf", heads: [2, 1], layers: 1, capacity: 4096, past: [2000, 2047, 4095] },
    },
    "the shapes of Qwen3-0.6B": {
      ...{ dtype: "bf16", hidden: 1024, heads: [16, 8], headDim: 128, intermediate: 3072, vocab: 3000 },
      ...{ layers: 2, capacity: 1088, past: [5, 255, 1024] },
    },
    "the shapes of Qwen3-0.6B, rounded so": {
      ...{ dtype: "bf16", hidden: 1024, heads: [16, 8], headDim: 128, intermediate: 3072, vocab: 3000 },
      ...{ layers: 2, capacity: 1088, rounding: "hf", past: [5, 255, 1024] },
    },
    "more layers than 4 KiB of arguments name": {
      ...{ dtype: "bf16", hidden: 128, heads: [2, 1], headDim: 64, intermediate: 128, vocab: 100 },
      ...{ layers: 30, capacity: 64, past: [3, 63] },
    },
    "rows as long as those of Qwen3-8B": {
      ...{ dtype: "bf16", hidden: 4096, heads: [8, 2], headDim: 128, intermediate: 512, vocab: 1000 },
      ...{ layers: 1, capacity: 1024, past: [300, 1023] },
    },
    "an MLP as wide as that of Qwen3-8B": {
      ...{ dtype: "bf16", hidden: 512, heads: [4, 1], headDim: 128, intermediate: 12288, vocab: 999 },
      ...{ layers: 1, capacity: 64, past: [30, 63] },
    },
  });
});
