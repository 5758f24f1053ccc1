import { small, togetherOnGpu } from "./together-on-gpu.ts";

togetherOnGpu({
  "rounded as Hugging Face does": { ...small, rounding: "hf" },
  "rounded so, f16, head dim 64, a window, a cap": {
    ...{ ...small, dtype: "f16", rounding: "hf", headDim: 64, window: 100, softCap: 30 },
  },
  "rounded so, head dim 256, eight query heads, RoPE first": {
    ...{ ...small, rounding: "hf", heads: [16, 2], headDim: 256, order: "rope-norm", past: [0, 90, 500] },
  },
  "rounded so, many keys of one head": {
    ...{ ...small, rounding: "hf", heads: [2, 1], layers: 1, capacity: 4096, past: [2000, 2047, 4095] },
  },
  "the shapes of Qwen3-0.6B, rounded so": {
    ...{ dtype: "bf16", hidden: 1024, heads: [16, 8], headDim: 128, intermediate: 3072, vocab: 3000 },
    ...{ layers: 2, capacity: 1088, rounding: "hf", past: [5, 255, 1024] },
  },
});
