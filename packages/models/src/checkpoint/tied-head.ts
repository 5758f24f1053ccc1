import type { Warn } from "./warnings.ts";
import { readFloat32, type Weight, type Weights } from "./weights.ts";

export const HEAD = "lm_head.weight";
const EMBEDDING = "model.embed_tokens.weight";

/** The weights of a model whose config ties its head to the embedding, and whether they are one in truth. */
export interface TiedHead {
  readonly weights: Weights;
  /** False: the logits come from a `lm_head.weight` of its own. */
  readonly tiesHead: boolean;
}

/**
 * Settles what `tie_word_embeddings: true` means for a checkpoint, as transformers does (`tie_weights` in
 * `modeling_utils.py`): a `lm_head.weight` that equals the embedding is dropped, one that differs is used, and one that
 * stands alone is the embedding too.
 */
export function settleTiedHead(weights: Weights, warn: Warn): TiedHead {
  const head = weights.get(HEAD);
  const embedding = weights.get(EMBEDDING);
  if (head === undefined) return { weights, tiesHead: true };
  const rest = withoutHead(weights);
  if (embedding === undefined) return { weights: new Map([...rest, [EMBEDDING, head]]), tiesHead: true };
  if (equal(head, embedding)) return { weights: rest, tiesHead: true };
  warn(
    `config.json: tie_word_embeddings is true, but ${HEAD} differs from the embedding; it is used, as in transformers`,
  );
  return { weights, tiesHead: false };
}

export function withoutHead(weights: Weights): Weights {
  return new Map([...weights].filter(([name]) => name !== HEAD));
}

function equal(head: Weight, embedding: Weight): boolean {
  if (head.shape.join() !== embedding.shape.join()) return false;
  const [a, b] = [readFloat32(head), readFloat32(embedding)];
  // Loading refuses what is not a float, by name.
  if (a === null || b === null) return head.dtype === embedding.dtype;
  return a.every((value, i) => value === b[i]);
}
