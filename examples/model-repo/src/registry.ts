import type { AttentionConfig, AttentionModule } from "./attention.ts";
import { ApertusAttention } from "./models/apertus.ts";
import { BailingAttention } from "./models/bailing.ts";
import { Gemma3Attention } from "./models/gemma3.ts";
import { Glm4MoeAttention } from "./models/glm4-moe.ts";
import { HunyuanAttention } from "./models/hunyuan.ts";
import { Olmo2Attention } from "./models/olmo2.ts";
import { Qwen3Attention } from "./models/qwen3.ts";
import { Qwen3MoeAttention } from "./models/qwen3-moe.ts";
import { Stream } from "./stream.ts";
import type { Tensor } from "./tensor.ts";
import { WeightMaker } from "./weights.ts";

/** One attention class with the toy config it runs under here. */
export interface ModelEntry<M extends AttentionModule = AttentionModule> {
  readonly Attention: new (config: never) => M;
  /** What is normalised, in words. */
  readonly qkNorm: string;
  create(): M;
}

const toy: AttentionConfig = {
  hidden: 24,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  eps: 1e-6,
  ropeTheta: 10_000,
  seed: 1,
};

export const registry = {
  qwen3: entry(Qwen3Attention, { ...toy, ropeTheta: 1_000_000 }, "RMS per head, before RoPE"),
  "qwen3-moe": entry(
    Qwen3MoeAttention,
    { ...toy, seed: 2, altStream: new Stream("alternative") },
    "RMS per head, before RoPE, k on a second stream during capture",
  ),
  "glm4-moe": entry(
    Glm4MoeAttention,
    { ...toy, seed: 3, eps: 1e-5, useQkNorm: true, partialRotary: 0.5 },
    "RMS per head, before partial RoPE, if the config says so",
  ),
  bailing: entry(BailingAttention, { ...toy, seed: 4, rotaryDim: 4 }, "RMS per head, before partial RoPE"),
  apertus: entry(ApertusAttention, { ...toy, seed: 5, eps: 1e-5 }, "RMS per head, before RoPE"),
  gemma3: entry(Gemma3Attention, { ...toy, seed: 6 }, "RMS per head times (1 + w), before RoPE"),
  olmo2: entry(Olmo2Attention, { ...toy, seed: 7 }, "RMS across all heads, before RoPE"),
  hunyuan: entry(
    HunyuanAttention,
    { ...toy, seed: 8, eps: 1e-5 },
    "RMS per head, after RoPE, raw query kept for a gate",
  ),
};

export type ModelName = keyof typeof registry;

export const modelNames = Object.keys(registry) as readonly ModelName[];

/** The input every model is run on: five tokens, [T, C]. */
export function sampleInput(): Tensor {
  return new WeightMaker(2026).matrix(5, toy.hidden);
}

function entry<C, M extends AttentionModule>(
  Attention: new (config: C) => M,
  config: C,
  qkNorm: string,
): ModelEntry<M> {
  return { Attention, qkNorm, create: () => new Attention(config) };
}
