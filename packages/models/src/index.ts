export { type Checkpoint, type LoadProgress, openCheckpoint } from "./checkpoint/checkpoint.ts";
export { type GenerationConfig, readGenerationConfig } from "./checkpoint/generation-config.ts";
export { loadModule } from "./checkpoint/load-weights.ts";
export type { RopeParameters } from "./checkpoint/rope-parameters.ts";
export { openSafetensors, type SafetensorsFile } from "./checkpoint/safetensors.ts";
export type {
  Blueprint,
  CausalLm,
  LogitRows,
  ModelFamily,
  ModelOptions,
  PagedCacheSize,
} from "./families/causal-lm.ts";
export {
  type LoadedEmbedder,
  type LoadedModel,
  type LoadOptions,
  loadEmbedder,
  loadModel,
} from "./families/load-model.ts";
export { listModels, modelFamily } from "./families/model-types.ts";
export { parseQwen3Config, type Qwen3Config } from "./families/qwen3/config.ts";
export { Qwen3Attention, Qwen3ForCausalLm } from "./families/qwen3/model.ts";
export { type Pooling, TextEmbedder } from "./families/text-embedder.ts";
export { ContinuousBatch, type ContinuousBatchOptions } from "./generation/continuous-batch.ts";
export { type GenerateOptions, generate, generateNow } from "./generation/generate.ts";
export type { TextOptions } from "./generation/growing-text.ts";
export { argmax, createSampler, type Sampler } from "./generation/sampling.ts";
export type { SamplingOptions } from "./generation/sampling-options.ts";
export {
  Attention,
  type AttentionOptions,
  type AttentionSpec,
  type QkNormSetting,
} from "./layers/attention.ts";
export { Embedding } from "./layers/embedding.ts";
export { KvCache, type KvCacheShape } from "./layers/kv-cache.ts";
export { Linear } from "./layers/linear.ts";
export { GatedMlp, type MlpSpec, PlainMlp } from "./layers/mlp.ts";
export { type LayerOptions, Module } from "./layers/module.ts";
export { Norm, type NormSetting } from "./layers/norm.ts";
export { PackedLinear } from "./layers/packed-linear.ts";
export {
  type CachedSequence,
  type PagedCacheShape,
  PagedKvCache,
  type SequenceTokens,
} from "./layers/paged-kv-cache.ts";
export { RmsNorm } from "./layers/rms-norm.ts";
export { type RopeSpec, RotaryEmbedding, RotaryTables } from "./layers/rotary-embedding.ts";
export { nextStep, type SequenceStep } from "./layers/sequence-step.ts";
export type { ShardRule, SplitRule } from "./layers/shard-rule.ts";
export { fillShard, type Rank, rankConfig } from "./layers/shards.ts";
export type { AttentionCache, KvHeads, LayerCache, LayerSpan, Step, StepBatch } from "./layers/step.ts";
export { ForwardTrace, type QkNormTrace } from "./layers/trace.ts";
export {
  type ChatMessage,
  type ChatTemplate,
  loadChatTemplate,
  type RenderOptions,
} from "./text/chat-template.ts";
export { JsonText } from "./text/template/json-text.ts";
export { TextStream } from "./text/text-stream.ts";
export { loadTokenizer, type Tokenizer } from "./text/tokenizer.ts";
