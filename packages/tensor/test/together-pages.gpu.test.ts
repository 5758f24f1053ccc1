import { small, togetherOnGpu } from "./together-on-gpu.ts";

togetherOnGpu({
  "keys in pages": { ...small, pageSize: 16 },
  "keys in pages, rounded so": { ...small, pageSize: 16, rounding: "hf" },
  "many keys in pages of an odd size, a window": {
    ...{ ...small, pageSize: 7, heads: [2, 1], capacity: 7 * 1024, window: 6000, past: [511, 512, 7166] },
  },
  "keys in pages, a token that goes to the place of another": {
    ...{ ...small, pageSize: 16, rounding: "hf", goesTo: 17, past: [16, 30, 500] },
  },
});
