import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { generateNow, type LoadedModel, loadModel, loadTokenizer } from "@qknorm/models";
import type { Device } from "@qknorm/tensor";

/** The small checkpoint of this repository. */
export const sumsCheckpoint = join(
  dirname(fileURLToPath(import.meta.url)),
  "../../../checkpoints/qwen3-sums",
);

/** The held-out sums with transformers' own answers; oracle/accuracy.py wrote them. */
export interface HeldOutSums {
  readonly prompts: readonly string[];
  readonly expected: readonly string[];
  readonly transformers: { readonly bfloat16: readonly string[]; readonly float32: readonly string[] };
  readonly accuracy: { readonly bfloat16: number; readonly float32: number };
}

/** One way to run the forward pass. */
export interface Variant {
  readonly dtype: "f32" | "bf16";
  readonly rounding: "hf" | "once";
  readonly path: "auto" | "fallback";
  /** Of keys and values. Default: `dtype`. */
  readonly cacheDtype?: "e4m3";
}

/** How a variant did. */
export interface Score {
  readonly prompts: number;
  /** Answers that are the true sum. */
  readonly right: number;
  /** Answers that are transformers' answer in the same dtype, right or wrong. */
  readonly same: number;
}

/** Every variant that the accuracy is judged on. */
export const variants: readonly Variant[] = [
  ...(["f32", "bf16"] as const).flatMap((dtype) =>
    (["hf", "once"] as const).flatMap((rounding) =>
      (["auto", "fallback"] as const).map((path) => ({ dtype, rounding, path })),
    ),
  ),
  ...(["hf", "once"] as const).map(
    (rounding) => ({ dtype: "bf16", rounding, path: "auto", cacheDtype: "e4m3" }) as const,
  ),
];

export function readHeldOutSums(): HeldOutSums {
  return JSON.parse(readFileSync(join(sumsCheckpoint, "accuracy.json"), "utf8")) as HeldOutSums;
}

/** Which sums are answered, and where: all of them on the CPU by default. An open device. */
export interface Run {
  readonly count?: number | undefined;
  readonly device?: Device | undefined;
}

/** Answers the first `count` held-out sums; greedy, as transformers did. */
export function score(
  sums: HeldOutSums,
  variant: Variant,
  { count = sums.prompts.length, device = "cpu" }: Run = {},
): Score {
  const loaded = loadModel(sumsCheckpoint, {
    device,
    dtype: variant.dtype,
    cacheDtype: variant.cacheDtype,
    rounding: variant.rounding,
    qkNorm: { path: variant.path },
  });
  const tokenizer = loadTokenizer(sumsCheckpoint);
  const theirs = variant.dtype === "f32" ? sums.transformers.float32 : sums.transformers.bfloat16;
  const answers = sums.prompts.slice(0, count).map((prompt) => answer(loaded, tokenizer, prompt));
  loaded.model.dispose();
  const matches = (wanted: readonly string[]): number =>
    answers.filter((text, i) => text === wanted[i]).length;
  return { prompts: answers.length, right: matches(sums.expected), same: matches(theirs) };
}

function answer(
  { model, generation }: LoadedModel,
  tokenizer: ReturnType<typeof loadTokenizer>,
  prompt: string,
): string {
  const ids = generateNow(model, tokenizer.encode(prompt), {
    stopIds: generation.eosTokenIds,
    maxTokens: 16,
  });
  return tokenizer.decode([...ids], { skipSpecialTokens: true });
}
