import type { ConfigFields } from "./config-fields.ts";
import { shown } from "./shown-value.ts";

export type AttentionKind = "full_attention" | "sliding_attention";

/** Names of kinds of layers in a file, and what they are; transformers 4 has another name for the first. */
const KINDS: KindNames<AttentionKind> = {
  full_attention: "full_attention",
  attention: "full_attention",
  sliding_attention: "sliding_attention",
};

type KindNames<Kind extends string> = Readonly<Record<string, Kind>>;

export interface WindowSetting {
  readonly layers: number;
  /** The longest context; a window as long changes nothing. */
  readonly maxPositions: number;
  /** The kind of a layer where `layer_types` is absent. */
  readonly kindOf: (layer: number) => AttentionKind;
}

/**
 * How many tokens each layer's queries see, themselves included; null for all before them. From `use_sliding_window`,
 * `sliding_window` and `layer_types`, as `Qwen3Config` combines them.
 *
 * @throws ERR_CHECKPOINT for another kind of layer, a list of another length, or a kind that needs a window without one
 */
export function readWindows(
  fields: ConfigFields,
  { layers, maxPositions, kindOf }: WindowSetting,
): readonly (number | null)[] {
  const used = fields.boolean("use_sliding_window", false);
  // Null is no window; absent is transformers' default.
  const size = fields.raw.sliding_window === null ? null : fields.positiveInteger("sliding_window", 4096);
  const window = used ? size : null;
  const types = readWrittenKinds(fields, layers, KINDS);
  if (types === null && window === null) return Object.freeze(new Array<null>(layers).fill(null));
  const kinds = types ?? Array.from({ length: layers }, (_, layer) => kindOf(layer));
  if (types?.includes("sliding_attention") === true && window === null) {
    fields.fail("layer_types", `has "sliding_attention", but use_sliding_window is not true`);
  }
  const effective = window === null || window >= maxPositions ? null : window;
  return Object.freeze(kinds.map((kind) => (kind === "sliding_attention" ? effective : null)));
}

/** The kind of each layer: `layer_types`, or by a rule where the file has none. */
export function readLayerKinds(
  fields: ConfigFields,
  layers: number,
  kindOf: (layer: number) => AttentionKind,
): readonly AttentionKind[] {
  return readKinds(fields, layers, KINDS, kindOf);
}

/** `readLayerKinds` for families that have layers of other kinds beside attention, by their names in a file. */
export function readKinds<Kind extends string>(
  fields: ConfigFields,
  layers: number,
  names: KindNames<Kind>,
  kindOf: (layer: number) => Kind,
): readonly Kind[] {
  const written = readWrittenKinds(fields, layers, names);
  return Object.freeze(written ?? Array.from({ length: layers }, (_, layer) => kindOf(layer)));
}

/** A rule of kinds: every so many layers one is full, the others have the window; 0: all are full. */
export function fullEvery(layers: number): (layer: number) => AttentionKind {
  return (layer) => (layers === 0 || (layer + 1) % layers === 0 ? "full_attention" : "sliding_attention");
}

/**
 * `sliding_window` where a family has windows by the kind of a layer alone: how many tokens the queries of a sliding layer
 * see. Null is no window.
 *
 * @throws ERR_CHECKPOINT for layers that need a window where there is none
 */
export function readWindow(
  fields: ConfigFields,
  kinds: readonly AttentionKind[],
  fallback: number | null,
): number | null {
  const absent = fields.raw.sliding_window === undefined;
  const window =
    fields.value("sliding_window") === undefined
      ? absent
        ? fallback
        : null
      : fields.positiveInteger("sliding_window");
  if (window === null && kinds.includes("sliding_attention"))
    fields.fail("sliding_window", "is null, but some layers slide");
  return window;
}

/** `layer_types`, one for each layer, or null where the file has none. */
function readWrittenKinds<Kind extends string>(
  fields: ConfigFields,
  layers: number,
  names: KindNames<Kind>,
): readonly Kind[] | null {
  const types = fields.value("layer_types");
  if (types === undefined) return null;
  if (!Array.isArray(types)) return fields.fail("layer_types", `must be a list, got ${shown(types)}`);
  const unknown = types.find((type) => typeof type !== "string" || !Object.hasOwn(names, type));
  if (unknown !== undefined) {
    return fields.fail("layer_types", `has ${shown(unknown)}; supported: ${Object.keys(names).join(", ")}`);
  }
  if (types.length !== layers) {
    return fields.fail("layer_types", `has ${types.length} entries for ${layers} layers`);
  }
  return types.map((type) => names[type as string] as Kind);
}
