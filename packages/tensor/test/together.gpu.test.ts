import { small, togetherOnGpu } from "./together-on-gpu.ts";

togetherOnGpu({
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
  "the shapes of Qwen3-0.6B": {
    ...{ dtype: "bf16", hidden: 1024, heads: [16, 8], headDim: 128, intermediate: 3072, vocab: 3000 },
    ...{ layers: 2, capacity: 1088, past: [5, 255, 1024] },
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
