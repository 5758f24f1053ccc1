import { QkNormError } from "@qknorm/core";
import { penalized, type TokenPenalties } from "@qknorm/tensor";
import type { Sampling } from "./sampling-options.ts";
import { penalizes, type TokenDraw } from "./token-draw.ts";

/** Where a sequence stands when its next token is chosen. */
export interface Progress {
  /** Prompt and answer so far. */
  readonly ids: readonly number[];
  readonly promptTokens: number;
}

/** Changes the logits `[V]` in place before a token is chosen. */
export type LogitsProcessor = (logits: Float32Array, progress: Progress) => void;

/**
 * What the options ask for, `draw` being part of them, in transformers' order (`_get_logits_processor` in `generation/utils.py`, the formulas in
 * `generation/logits_process.py`). Empty where they ask for nothing.
 */
export function logitsProcessors(sampling: Sampling, draw: TokenDraw): readonly LogitsProcessor[] {
  const processors: LogitsProcessor[] = [];
  const { endIds, sequenceBias, noRepeatNgramSize, badWordsIds, forcedEnd } = sampling;
  for (const { ids, bias } of sequenceBias) processors.push(biasOf(ids, bias));
  if (penalizes(draw)) processors.push(penalty(draw));
  if (noRepeatNgramSize > 0) processors.push(noRepeat(noRepeatNgramSize));
  for (const ids of badWordsIds) {
    // An end of text can only be put off by a least length.
    if (!(ids.length === 1 && endIds.includes(ids[0]!))) processors.push(biasOf(ids, -Infinity));
  }
  if (sampling.minNewTokens > 0 || sampling.minLength > 0) processors.push(longerThan(sampling));
  if (sampling.forcedFirstId !== null)
    processors.push(forced([sampling.forcedFirstId], ({ ids }) => ids.length === 1));
  if (forcedEnd !== null)
    processors.push(forced(forcedEnd.ids, ({ ids }) => ids.length === forcedEnd.length - 1));
  if (sampling.endBoost !== null) processors.push(endBoost(endIds, sampling.endBoost));
  if (sampling.suppressedIds.length > 0)
    processors.push((logits) => suppress(logits, sampling.suppressedIds));
  if (sampling.suppressedFirstIds.length > 0) processors.push(suppressFirst(sampling));
  return processors;
}

/** Repetition: Keskar et al., CTRL (arXiv 1909.05858). */
function penalty(penalties: TokenPenalties): LogitsProcessor {
  return (logits, { ids, promptTokens }) => {
    const drawn = new Map<number, number>();
    for (const [i, id] of ids.entries()) drawn.set(id, (drawn.get(id) ?? 0) + (i < promptTokens ? 0 : 1));
    for (const [id, count] of drawn) {
      const logit = logits[id];
      if (logit === undefined) {
        throw new QkNormError(
          "ERR_GENERATION",
          `token ${id} was seen, but there are only ${logits.length} logits`,
        );
      }
      logits[id] = penalized(logit, count, penalties);
    }
  };
}

/** Adds to the last token of a sequence where the others of it have just come. */
function biasOf(sequence: readonly number[], bias: number): LogitsProcessor {
  const last = sequence[sequence.length - 1]!;
  return (logits, { ids }) => {
    const start = ids.length - (sequence.length - 1);
    if (last >= logits.length || start < 0) return;
    for (let i = 0; i < sequence.length - 1; i++) if (ids[start + i] !== sequence[i]) return;
    logits[last] = logits[last]! + bias;
  };
}

/** No n tokens come twice in one order. */
function noRepeat(size: number): LogitsProcessor {
  return (logits, { ids }) => {
    const start = ids.length - (size - 1);
    for (let end = size - 1; start >= 0 && end < ids.length; end++) {
      let same = true;
      for (let i = 0; same && i < size - 1; i++) same = ids[end - (size - 1) + i] === ids[start + i];
      if (same) logits[ids[end]!] = -Infinity;
    }
  };
}

function longerThan({ endIds, minNewTokens, minLength }: Sampling): LogitsProcessor {
  return (logits, { ids, promptTokens }) => {
    const least = minNewTokens > 0 ? promptTokens + minNewTokens : minLength;
    if (ids.length < least) suppress(logits, endIds);
  };
}

function forced(allowed: readonly number[], when: (progress: Progress) => boolean): LogitsProcessor {
  return (logits, progress) => {
    if (!when(progress)) return;
    logits.fill(-Infinity);
    for (const id of allowed) if (id < logits.length) logits[id] = 0;
  };
}

/** The end of text gets likelier with each token after `start`. */
function endBoost(
  endIds: readonly number[],
  { start, factor }: NonNullable<Sampling["endBoost"]>,
): LogitsProcessor {
  return (logits, { ids, promptTokens }) => {
    if (ids.length <= start + promptTokens) return;
    const growth = factor ** (ids.length - (start + promptTokens)) - 1;
    for (const id of endIds) {
      const logit = logits[id];
      if (logit !== undefined) logits[id] = logit + Math.abs(logit) * growth;
    }
  };
}

function suppressFirst({ suppressedFirstIds, forcedFirstId }: Sampling): LogitsProcessor {
  return (logits, { ids, promptTokens }) => {
    const begin = promptTokens > 1 || forcedFirstId === null ? promptTokens : promptTokens + 1;
    if (ids.length === begin) suppress(logits, suppressedFirstIds);
  };
}

function suppress(logits: Float32Array, ids: readonly number[]): void {
  for (const id of ids) if (id < logits.length) logits[id] = -Infinity;
}
