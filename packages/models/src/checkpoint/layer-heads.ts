import type { AttentionKind } from "./attention-windows.ts";
import { ConfigFields } from "./config-fields.ts";
import type { DecoderFields } from "./decoder-fields.ts";
import { without } from "./weight-names.ts";
import type { Weights } from "./weights.ts";

/** The attention of one layer, where layers of a model differ. */
export interface LayerHeads {
  readonly kind: AttentionKind;
  readonly headDim: number;
  readonly kvHeads: number;
  /** The layer whose keys and values it reads; null where it has its own. */
  readonly keysOf: number | null;
}

/** What a model says of all of its layers. */
interface HeadsSetting extends Pick<DecoderFields, "layers" | "queryHeads" | "headDim" | "kvHeads"> {
  readonly kinds: readonly AttentionKind[];
  /** `num_global_key_value_heads` counts for full layers. */
  readonly ownGlobalHeads: boolean;
}

/**
 * The heads of each layer: full layers have a `global_head_dim` and KV heads of their own, or `per_layer_config` says what
 * differs, and the last `num_kv_shared_layers` read the keys of the last layer of their kind before them (Gemma 4).
 *
 * @throws ERR_CHECKPOINT for layers of a kind that differ in their head dim, and for keys that no layer has
 */
export function readLayerHeads(fields: ConfigFields, setting: HeadsSetting): readonly LayerHeads[] {
  const { layers, queryHeads, headDim, kvHeads, kinds, ownGlobalHeads } = setting;
  const globalDim = fields.positiveInteger("global_head_dim", 512);
  const globalHeads = fields.positiveInteger("num_global_key_value_heads", kvHeads);
  const written = fields.object("per_layer_config");
  const nothing = new ConfigFields({}, fields.source);
  const shared = fields.nonNegativeInteger("num_kv_shared_layers", 0);
  const heads = kinds.map((kind, layer): LayerHeads => {
    const full = kind === "full_attention" && written === null;
    const own = written?.object(String(layer)) ?? nothing;
    const keysOf = layer < layers - shared ? null : kinds.lastIndexOf(kind, layers - shared - 1);
    if (keysOf === -1 || layers === shared)
      fields.fail("num_kv_shared_layers", `is ${shared}, which leaves no layer of kind ${kind} with keys`);
    return Object.freeze({
      kind,
      headDim: own.positiveInteger("head_dim", full ? globalDim : headDim),
      kvHeads: own.positiveInteger("num_key_value_heads", full && ownGlobalHeads ? globalHeads : kvHeads),
      keysOf,
    });
  });
  for (const [layer, { kind, headDim, kvHeads }] of heads.entries()) {
    if (queryHeads % kvHeads !== 0)
      fields.fail(
        "num_attention_heads",
        `is ${queryHeads}, not a multiple of the ${kvHeads} KV heads of layer ${layer}`,
      );
    if (heads.some((other) => other.kind === kind && other.headDim !== headDim))
      fields.fail(
        "per_layer_config",
        `has several head dims for layers of kind ${kind}, which is not supported`,
      );
  }
  return Object.freeze(heads);
}

/** The weights without what layers had before they came to read the keys of another; some files have it, and transformers drops it too. */
export function withoutSharedKeys(weights: Weights, heads: readonly LayerHeads[]): Weights {
  const shared = heads.flatMap(({ keysOf }, layer) => (keysOf === null ? [] : [layer]));
  return shared.length === 0
    ? weights
    : without(
        weights,
        new RegExp(`^model\\.layers\\.(${shared.join("|")})\\.self_attn\\.(k|v)_(proj|norm)\\.`),
      );
}
