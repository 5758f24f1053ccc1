import { QkNormError } from "@qknorm/core";
import { drawToken, likelyTokens } from "@qknorm/tensor";
import { shown } from "../checkpoint/shown-value.ts";
import { logitsProcessors } from "./logits-processors.ts";
import { cutoffsOf } from "./sampling-cutoffs.ts";
import { resolveSampling, type SamplingOptions } from "./sampling-options.ts";
import { penalizes, type TokenDraw, tokenDrawOf } from "./token-draw.ts";

/**
 * Picks the next token of a sequence.
 *
 * @param logits [V], one per token id; not written to
 * @param seen ids so far, prompt included, in order; needed for penalties and the token rules
 * @throws ERR_GENERATION for logits that are empty, hold a NaN or +Infinity, or are all -Infinity, and for ids that are none
 */
export interface Sampler {
  (logits: Float32Array, seen?: Iterable<number>): number;
  /** What the same tokens are drawn by without a call, as a device does from step to step; absent or null where only a call can. */
  readonly draw?: TokenDraw | null;
}

/**
 * A sampler for one sequence, whose prompt are the ids of the first call. Without a temperature it takes the largest logit,
 * of equal ones the lowest id. What it draws depends on the seed, the logits and where the token stands alone: on every device, alone
 * or in a batch, the same seed draws the same tokens from the same logits. Without the ids the calls are counted instead.
 *
 * @throws ERR_GENERATION for an option out of range
 */
export function createSampler(options: SamplingOptions = {}): Sampler {
  const sampling = resolveSampling(options);
  const draw = tokenDrawOf(sampling);
  const processors = logitsProcessors(sampling, draw);
  const cutoffs = cutoffsOf(sampling);
  let promptTokens: number | null = null;
  let calls = 0;
  const sample = (logits: Float32Array, seen?: Iterable<number>): number => {
    const ids = listed(seen);
    let scores = logits;
    if (processors.length > 0) {
      if (ids === undefined) throw new QkNormError("ERR_GENERATION", NEEDS_IDS);
      assertLogits(logits);
      const stranger = ids.find((id) => !Number.isSafeInteger(id));
      if (stranger !== undefined)
        throw new QkNormError("ERR_GENERATION", `the ids so far must be token ids, got ${shown(stranger)}`);
      promptTokens ??= ids.length;
      scores = logits.slice();
      for (const process of processors) process(scores, { ids, promptTokens });
    }
    const likeliest = argmax(scores);
    if (draw.temperature === 0) return likeliest;
    let tokens = likelyTokens(scores, scores[likeliest]!, draw);
    for (const cutoff of cutoffs) tokens = cutoff(tokens);
    return drawToken(tokens, draw.seed, ids === undefined ? calls++ : ids.length - 1);
  };
  const rules = processors.length - (penalizes(draw) ? 1 : 0);
  return Object.assign(sample, { draw: rules === 0 && cutoffs.length === 0 ? draw : null });
}

const NEEDS_IDS = "penalties and the token rules need the ids so far: pass them with the logits";

function assertLogits(logits: unknown): asserts logits is Float32Array {
  if (ArrayBuffer.isView(logits) && logits instanceof Float32Array && logits.length > 0) return;
  throw new QkNormError(
    "ERR_GENERATION",
    "there are no logits to choose a token from: expected a Float32Array [V]",
  );
}

/** The ids so far as a list. @throws ERR_GENERATION for what has no ids */
function listed(seen: Iterable<number> | undefined): readonly number[] | undefined {
  if (seen === undefined || Array.isArray(seen)) return seen;
  // An array whose memory is gone cannot be gone through.
  const isGone = ArrayBuffer.isView(seen) && seen.byteLength === 0;
  const through = (seen as Partial<Iterable<number>> | null)?.[Symbol.iterator];
  if (!isGone && typeof through === "function") return [...seen];
  throw new QkNormError("ERR_GENERATION", `the ids so far must be a list of token ids, got ${shown(seen)}`);
}

/** Id of the largest logit, of equal ones the lowest. @throws ERR_GENERATION as `Sampler` */
export function argmax(logits: Float32Array): number {
  assertLogits(logits);
  let best = -Infinity;
  let id = -1;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i]!;
    if (logit > best) {
      best = logit;
      id = i;
    } else if (Number.isNaN(logit)) {
      throw new QkNormError("ERR_GENERATION", `the logit of token ${i} is NaN: the forward pass went wrong`);
    }
  }
  if (Number.isFinite(best)) return id;
  const problem = id < 0 ? "every logit is -Infinity" : `the logit of token ${id} is Infinity`;
  throw new QkNormError("ERR_GENERATION", `${problem}: the forward pass went wrong`);
}
