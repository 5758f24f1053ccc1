// Every family that loads, one line each; `model-types.ts` finds them by the `model_type` of their config.
export { apertus } from "./apertus/model.ts";
export { cohere } from "./cohere/model.ts";
export { exaone4 } from "./exaone4/model.ts";
export { gemma3 } from "./gemma3/model.ts";
export { hunyuanV1Dense } from "./hunyuan-v1-dense/model.ts";
export { llama } from "./llama/model.ts";
export { mistral } from "./mistral/model.ts";
export { nanochat } from "./nanochat/model.ts";
export { olmo2 } from "./olmo2/model.ts";
export { olmo3 } from "./olmo3/model.ts";
export { persimmon } from "./persimmon/model.ts";
export { phi } from "./phi/model.ts";
export { qwen2 } from "./qwen2/model.ts";
export { qwen3 } from "./qwen3/model.ts";
export { sdar } from "./sdar/model.ts";
export { smollm3 } from "./smollm3/model.ts";
export { stableLm } from "./stablelm/model.ts";
