import { QkNormError } from "@qknorm/core";
import { Indices } from "@qknorm/tensor";
import type { KvCache } from "./kv-cache.ts";
import type { ForwardTrace } from "./trace.ts";

/** What every layer needs to know of one forward pass: the new tokens and where they stand. */
export interface Step {
  /** `[T]`. */
  readonly ids: Indices;
  /** `[T]`: `past..past + T`. */
  readonly positions: Indices;
  /** One number, which a captured graph reads where it lies: how many tokens came before. */
  readonly past: Indices;
  readonly cache: KvCache;
  readonly trace: ForwardTrace | null;
  /** `none`: every token of the pass sees all of them. Default: as each layer says. */
  readonly mask?: "none";
}

/**
 * A step of new tokens after what the cache holds. Throws `ERR_GENERATION` when they are none or do not fit,
 * `ERR_QKNORM_ARGUMENT` for ids that are no integers from 0 up.
 */
export function nextStep(
  ids: ArrayLike<number> | Indices,
  cache: KvCache,
  trace: ForwardTrace | null = null,
): Step {
  if (ids.length === 0) throw new QkNormError("ERR_GENERATION", "a forward pass needs at least one token");
  cache.assertRoom(ids.length);
  const past = cache.length;
  return {
    ids: Indices.is(ids) ? ids : Indices.from(ids),
    positions: Indices.range(past, ids.length),
    past: Indices.from([past]),
    cache,
    trace,
  };
}

/**
 * The passes of a step under a mask of blocks, whose tokens see what comes before their block and all of the block: one
 * pass a block, or what there is of it. Blocks are counted from the first token of the sequence.
 *
 * @throws ERR_GENERATION for ids that a device made, whose number in a block the host has to know
 */
export function* blockSteps({ ids, cache, trace }: Step, length: number): Generator<Step> {
  const { values } = ids;
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
