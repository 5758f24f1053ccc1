import { QkNormError } from "@qknorm/core";
import { shownName } from "./shown-value.ts";
import type { Weight, Weights } from "./weights.ts";

/**
 * Tensors that older writers saved beside the weights and that transformers skips when it loads: tables that follow from
 * the config (`_adjust_missing_and_unexpected_keys` in its `modeling_utils.py`).
 */
const BUFFER =
  /(?:(?:^|\.)rotary_emb\.(?:(?:original_)?inv_freq|cos_cached|sin_cached)|(?:^|\.)position_ids|\.attn\.(?:masked_)?bias)$/;

/** The weights without buffers that hold no weight. */
export function withoutBuffers(weights: Weights): Weights {
  return new Map([...weights].filter(([name]) => !BUFFER.test(name)));
}

/**
 * The weights under the names of the whole model, as transformers renames them: a checkpoint of the base model alone,
 * as embedding models are published, has `layers.0...` for `model.layers.0...`, and one that was wrapped once more has
 * `model.model.layers.0...` or `model.lm_head.weight`.
 *
 * @param parts of the base model, such as "layers"
 * @throws ERR_CHECKPOINT when two tensors then have one name
 */
export function withBasePrefix(weights: Weights, parts: readonly string[]): Weights {
  return underNames(weights, (name) => wholeName(name, parts));
}

/**
 * The weights under other names: the first pattern that a name matches is replaced in it.
 *
 * @throws ERR_CHECKPOINT when two tensors then have one name
 */
export function renamed(
  weights: Weights,
  rules: readonly (readonly [pattern: RegExp, by: string])[],
): Weights {
  return underNames(weights, (name) => {
    const [pattern, by] = rules.find(([pattern]) => pattern.test(name)) ?? [];
    return pattern === undefined || by === undefined ? name : name.replace(pattern, by);
  });
}

/** The weights without those that the decoder has no use for, such as `mtp.*`. */
export function without(weights: Weights, pattern: RegExp): Weights {
  return new Map([...weights].filter(([name]) => !pattern.test(name)));
}

/** The weights without `count` layers from `first` on, which are there to predict several tokens at once. */
export function withoutLayers(weights: Weights, first: number, count: number): Weights {
  const layerOf = (name: string) => Number(/^model\.layers\.(\d{1,6})\./.exec(name)?.[1] ?? -1);
  return new Map([...weights].filter(([name]) => layerOf(name) < first || layerOf(name) >= first + count));
}

function underNames(weights: Weights, nameOf: (name: string) => string): Weights {
  const written = new Map<string, string>();
  for (const name of weights.keys()) {
    const target = nameOf(name);
    const other = written.get(target);
    if (other !== undefined) {
      throw new QkNormError(
        "ERR_CHECKPOINT",
        `the checkpoint has ${shownName(other)} and ${shownName(name)}, which are one tensor`,
      );
    }
    written.set(target, name);
  }
  return new Map([...written].map(([target, name]) => [target, weights.get(name) as Weight]));
}

function wholeName(name: string, parts: readonly string[]): string {
  if (/^model\.(model|lm_head)\./.test(name)) return name.slice("model.".length);
  return parts.some((part) => name.startsWith(`${part}.`)) ? `model.${name}` : name;
}
