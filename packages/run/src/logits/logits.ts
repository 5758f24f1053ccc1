import { createSampler, generate, type LoadedModel, nextStep } from "@qknorm/models";
import { convert } from "@qknorm/tensor";

/** What a model makes of some tokens: the interface for comparing with another implementation. */
export interface LogitsReport {
  /** `model_type` of config.json. */
  readonly modelType: string;
  readonly ids: readonly number[];
  /** `[T, V]` */
  readonly shape: readonly [number, number];
  /** `[T][V]`, f32: after each token, the score of every token to follow it. */
  readonly logits: readonly (readonly number[])[];
  /** What greedy decoding continues with, as transformers' `generate` returns it: an end-of-text token is the last. */
  readonly generated?: readonly number[];
}

/** Logits of all positions, in one prefill. @throws ERR_GENERATION for ids that are none, too many, or not in the vocabulary */
export async function reportLogits(
  loaded: LoadedModel,
  ids: readonly number[],
  maxNewTokens: number | undefined,
): Promise<LogitsReport> {
  const { model, modelType } = loaded;
  const cache = model.newCache();
  const logits = convert(model.forward(nextStep(ids, cache), "all"), "f32"); // [T, V]
  const shape = [logits.dim(0), logits.dim(1)] as const;
  const values = (await logits.read()) as Float32Array;
  logits.dispose();
  cache.dispose();
  const rows = Array.from({ length: shape[0] }, (_, t) => [
    ...values.subarray(t * shape[1], (t + 1) * shape[1]),
  ]);
  const report = { modelType, ids, shape, logits: rows };
  return maxNewTokens === undefined
    ? report
    : { ...report, generated: await continueGreedily(loaded, ids, maxNewTokens) };
}

async function continueGreedily(
  { model, generation }: LoadedModel,
  ids: readonly number[],
  maxTokens: number,
): Promise<number[]> {
  const sample = createSampler(generation.sampling({ temperature: 0 }, ids.length + maxTokens));
  const generated: number[] = [];
  for await (const id of generate(model, ids, { sample, maxTokens })) {
    generated.push(id);
    if (generation.eosTokenIds.includes(id)) break;
  }
  return generated;
}
