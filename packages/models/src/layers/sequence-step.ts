import { QkNormError } from "@qknorm/core";
import { Indices } from "@qknorm/tensor";
import { shown } from "../checkpoint/shown-value.ts";
import { KvCache } from "./kv-cache.ts";
import type { Step } from "./step.ts";
import type { ForwardTrace } from "./trace.ts";

/** A step of one sequence, in a cache of its own. */
export interface SequenceStep extends Step {
  readonly cache: KvCache;
}

/**
 * A step of new tokens after what the cache holds. Throws `ERR_GENERATION` when they are none or do not fit,
 * `ERR_QKNORM_ARGUMENT` for ids that are no integers from 0 up.
 */
export function nextStep(
  ids: ArrayLike<number> | Indices,
  cache: KvCache,
  trace: ForwardTrace | null = null,
): SequenceStep {
  if (!KvCache.is(cache))
    throw new QkNormError("ERR_GENERATION", `the cache must be one of \`newCache\`, got ${shown(cache)}`);
  const chosen = Indices.is(ids) ? ids : Indices.from(ids);
  if (chosen.length === 0) throw new QkNormError("ERR_GENERATION", "a forward pass needs at least one token");
  cache.reserve(chosen.length);
  const past = cache.length;
  const positions = Indices.range(past, chosen.length);
  return {
    ids: chosen,
    positions,
    slots: positions,
    past: Indices.from([past]),
    cache,
    trace,
  };
}

/**
 * Throws `ERR_GENERATION` for a step of one sequence that was made after other tokens than its cache holds by now: one that was
 * taken already, or after which another was. Of one whose place a device knows, nothing is said.
 */
export function assertNext({ past, cache, batch }: Step): void {
  if (batch !== undefined || !KvCache.is(cache) || !Indices.is(past) || past.values === null) return;
  const [before] = past.values;
  if (before === cache.length) return;
  throw new QkNormError(
    "ERR_GENERATION",
    `this step comes after ${before} tokens, and its cache holds ${cache.length}: make a new one by \`nextStep\``,
  );
}

/**
 * The passes of a step under a mask of blocks, whose tokens see what comes before their block and all of the block: one
 * pass a block, or what there is of it. Blocks are counted from the first token of the sequence.
 *
 * @throws ERR_GENERATION for ids that a device made, whose number in a block the host has to know
 */
export function* blockSteps({ ids, cache, trace }: Step, length: number): Generator<SequenceStep> {
  const { values } = ids;
  if (!KvCache.is(cache)) {
    throw new QkNormError("ERR_GENERATION", "blocks of tokens need a cache of one sequence");
  }
  if (values === null) {
    throw new QkNormError(
      "ERR_GENERATION",
      "tokens that a device chose cannot be cut into blocks; read them first",
    );
  }
  for (let done = 0; done < values.length; ) {
    const tokens = Math.min(length - (cache.length % length), values.length - done);
    yield { ...nextStep(values.subarray(done, done + tokens), cache, trace), mask: "none" };
    done += tokens;
  }
}
