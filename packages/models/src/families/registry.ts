// Every family that loads, one line each; `model-types.ts` finds them by the `model_type` of their config.
export { llama } from "./llama/model.ts";
export { qwen3 } from "./qwen3/model.ts";
