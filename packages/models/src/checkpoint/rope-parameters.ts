import { ConfigFields } from "./config-fields.ts";
import type { JsonObject } from "./json-file.ts";
import { shown } from "./shown-value.ts";

/** How positions become angles: the base, and how frequencies are stretched for contexts longer than in training. */
export type RopeParameters = { readonly theta: number } & (
  | { readonly type: "default" }
  | { readonly type: "linear"; readonly factor: number }
  | { readonly type: "dynamic"; readonly factor: number; readonly maxPositions: number }
  | { readonly type: "proportional"; readonly factor: number; readonly proportion: number }
  | YarnParameters
  | Llama3Parameters
  | LongRopeParameters
);

export interface YarnParameters {
  readonly type: "yarn";
  readonly factor: number;
  readonly originalPositions: number;
  readonly betaFast: number;
  readonly betaSlow: number;
  /** Round the ends of the ramp to whole dimensions. */
  readonly truncate: boolean;
  /** Multiplies cos and sin. */
  readonly attentionFactor: number;
}

export interface Llama3Parameters {
  readonly type: "llama3";
  readonly factor: number;
  readonly lowFreqFactor: number;
  readonly highFreqFactor: number;
  readonly originalPositions: number;
}

export interface LongRopeParameters {
  readonly type: "longrope";
  /** D / 2 each: for sequences up to `originalPositions`, and for longer ones. */
  readonly shortFactors: readonly number[];
  readonly longFactors: readonly number[];
  readonly originalPositions: number;
  /** Multiplies cos and sin. */
  readonly attentionFactor: number;
}

/** What the frequencies are made for. */
export interface RopeSetting {
  /** R: the frequencies are made for so many values of a head. */
  readonly rotaryDim: number;
  /** `max_position_embeddings`. */
  readonly maxPositions: number;
  /** The base where the file writes none. */
  readonly defaultTheta?: number;
  /** The share of a head that is rotated where the file writes none; absent: a share other than 1 is refused. */
  readonly defaultShare?: number;
  /** Reads the parameters of one kind of layer, where the file has them per kind. */
  readonly layerType?: "full_attention" | "sliding_attention";
  /** The key of the base beside the RoPE object; default `rope_theta`. */
  readonly thetaKey?: string;
  /** `unscaled`: the `rope_scaling` of older files is of other layers. `ignored`: their `rope_theta` too. */
  readonly older?: "unscaled" | "ignored";
  /** The object where the file has neither `rope_scaling` nor `rope_parameters`. */
  readonly absent?: JsonObject;
  /** `dynamic` with `alpha` stretches the base at every length (Hunyuan). */
  readonly alpha?: true;
}

/**
 * Reads RoPE from `rope_scaling` (transformers 4) or `rope_parameters` (5), and the base beside or inside them, with the
 * precedence, defaults and derived factors of transformers (`modeling_rope_utils.py`).
 *
 * @throws ERR_CHECKPOINT that names the key, for an unknown type, a missing factor or parameters per layer type
 */
export function readRopeParameters(fields: ConfigFields, setting: RopeSetting): RopeParameters {
  const all = fields.object("rope_scaling");
  const scaling = setting.older === undefined ? all : null;
  const parameters = ofLayerType(fields.object("rope_parameters"), setting.layerType);
  const empty = scaling === null || Object.keys(scaling.raw).length === 0;
  const written = empty ? parameters : scaling;
  const rope = written ?? new ConfigFields(setting.absent ?? {}, fields.source, "rope_parameters.");
  const beside = readTheta(fields, [scaling, parameters], setting);
  // As in transformers, whose whole object of defaults then stands, whatever is beside it.
  const theta = written === null ? rope.positiveNumber("rope_theta", beside) : beside;
  const oldName = rope.string("type", "default");
  const type = rope.string("rope_type", oldName);
  const read = Object.hasOwn(READERS, type) ? READERS[type as keyof typeof READERS] : undefined;
  if (read === undefined) {
    const known = ["default", ...Object.keys(READERS)].filter((name, i, all) => all.indexOf(name) === i);
    return rope.fail("rope_type", `is ${shown(type)}; supported: ${known.join(", ")}`);
  }
  fields.value("original_max_position_embeddings"); // says nothing where nothing is scaled
  if (setting.defaultShare === undefined) refusePartial(fields, rope, type);
  if (type === "dynamic" && setting.alpha && rope.has("alpha")) {
    const { rotaryDim } = setting;
    const stretched = theta * rope.positiveNumber("alpha") ** (rotaryDim / (rotaryDim - 2));
    return Object.freeze({ type: "default", theta: stretched });
  }
  return Object.freeze({ theta, ...read(rope, fields, setting) });
}

/**
 * R: for how many values of a head there are frequencies: `partial_rotary_factor` of D, rounded down. Where that is odd, one
 * value more is rotated with them.
 *
 * @throws ERR_CHECKPOINT unless so many values are in a head
 */
export function readRotaryDim(
  fields: ConfigFields,
  headDim: number,
  defaultShare: number,
  layerType?: RopeSetting["layerType"],
): number {
  const key = "partial_rotary_factor";
  const beside = fields.number(key, defaultShare);
  const parameters = ofLayerType(fields.object("rope_parameters"), layerType);
  const places = [fields.object("rope_scaling"), parameters];
  const place = places.find((object) => object?.has(key));
  const share = place?.number(key) ?? beside;
  const rotaryDim = Math.floor(headDim * share);
  if (share >= 0 && rotaryDim <= headDim) return rotaryDim;
  return fields.fail(key, `is ${share}; it must be from 0 to 1`);
}

/** The object of one kind of layer, or the object itself where it is not by kind. */
function ofLayerType(
  parameters: ConfigFields | null,
  layerType: RopeSetting["layerType"],
): ConfigFields | null {
  const kinds = ["full_attention", "sliding_attention"];
  const written = kinds.filter((kind) => parameters?.has(kind));
  if (parameters === null || written.length === 0) return parameters;
  if (layerType === undefined) {
    return parameters.fail(written[0] as string, "is set, but RoPE per layer type is not supported");
  }
  return parameters.object(layerType) ?? parameters.fail(layerType, "is missing");
}

type Unscaled<T> = T extends unknown ? Omit<T, "theta"> : never;
type Reader = (rope: ConfigFields, fields: ConfigFields, setting: RopeSetting) => Unscaled<RopeParameters>;

const READERS = {
  default: () => ({ type: "default" }),
  linear: (rope) => ({ type: "linear", factor: rope.positiveNumber("factor") }),
  dynamic(rope, _, { rotaryDim, maxPositions }) {
    if (rotaryDim === 2) rope.fail("rope_type", `is "dynamic", which cannot stretch a single pair of values`);
    return { type: "dynamic", factor: rope.positiveNumber("factor"), maxPositions };
  },
  proportional(rope) {
    const proportion = rope.positiveNumber("partial_rotary_factor", 1);
    if (proportion > 1) rope.fail("partial_rotary_factor", `must be at most 1, got ${proportion}`);
    return { type: "proportional", factor: rope.positiveNumber("factor", 1), proportion };
  },
  yarn(rope, fields, { rotaryDim, maxPositions }) {
    if (rotaryDim % 2 === 1 && rotaryDim > 3)
      rope.fail("rope_type", `is "yarn", which needs pairs; ${rotaryDim} values rotate`);
    const originalPositions = readOriginalPositions(rope, fields, maxPositions);
    // Null, but not absent, means the ratio of the two lengths.
    const ratio = rope.raw.factor === null ? maxPositions / originalPositions : undefined;
    const factor = rope.positiveNumber("factor", ratio);
    return {
      type: "yarn",
      factor,
      originalPositions,
      betaFast: rope.number("beta_fast", 0) || 32,
      betaSlow: rope.number("beta_slow", 0) || 1,
      truncate: rope.boolean("truncate", true),
      attentionFactor: rope.number("attention_factor", yarnAttentionFactor(rope, factor)),
    };
  },
  llama3(rope, fields, { maxPositions }) {
    const parameters = {
      type: "llama3",
      factor: rope.positiveNumber("factor"),
      lowFreqFactor: rope.positiveNumber("low_freq_factor"),
      highFreqFactor: rope.positiveNumber("high_freq_factor"),
      originalPositions: readOriginalPositions(rope, fields, maxPositions),
    } as const;
    if (parameters.lowFreqFactor === parameters.highFreqFactor)
      rope.fail("high_freq_factor", "must differ from low_freq_factor");
    return parameters;
  },
  longrope(rope, fields, { rotaryDim, maxPositions }) {
    const originalPositions = readOriginalPositions(rope, fields, maxPositions);
    const factor = rope.positiveNumber("factor", maxPositions / originalPositions);
    const derived = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalPositions));
    const factors = (key: string): readonly number[] => {
      const list = rope.numbers(key);
      if (list.length === Math.ceil(rotaryDim / 2) && list.every((value) => value > 0)) return list;
      return rope.fail(
        key,
        `must be ${Math.ceil(rotaryDim / 2)} positive numbers, one a frequency, got ${list.length}`,
      );
    };
    return {
      type: "longrope",
      shortFactors: factors("short_factor"),
      longFactors: factors("long_factor"),
      originalPositions,
      attentionFactor: rope.number("attention_factor", derived),
    };
  },
} satisfies Record<string, Reader> as Record<RopeParameters["type"], Reader>;

/** Beside the RoPE object in old files, where it goes first; otherwise inside, or else the whole context. */
function readOriginalPositions(rope: ConfigFields, fields: ConfigFields, maxPositions: number): number {
  const key = "original_max_position_embeddings";
  const inside = rope.positiveInteger(key, maxPositions);
  return fields.positiveInteger(key, inside);
}

/** Peng et al. 2023, YaRN (arXiv 2309.00071), and DeepSeek's two factors `mscale`. */
function yarnAttentionFactor(rope: ConfigFields, factor: number): number {
  const scaled = (mscale: number) => (factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1);
  const mscale = rope.number("mscale", 0);
  const allDim = rope.number("mscale_all_dim", 0);
  return mscale !== 0 && allDim !== 0 ? scaled(mscale) / scaled(allDim) : scaled(1);
}

function readTheta(
  fields: ConfigFields,
  ropes: readonly (ConfigFields | null)[],
  { defaultTheta = 10_000, thetaKey = "rope_theta", older }: RopeSetting,
): number {
  const places = older === "ignored" ? ropes : [...ropes, fields];
  const found = places.flatMap((place) => {
    const key = place === fields ? thetaKey : "rope_theta";
    return place?.has(key) === true ? [place.positiveNumber(key)] : [];
  });
  if (new Set(found).size > 1)
    fields.fail("rope_theta", `is written twice, differently: ${found.join(" and ")}`);
  return found[0] ?? defaultTheta;
}

function refusePartial(fields: ConfigFields, rope: ConfigFields, type: string): void {
  for (const place of [fields, rope]) {
    if (place.number("partial_rotary_factor", 1) === 1) continue;
    if (type !== "proportional" || place === fields) place.fail("partial_rotary_factor", "must be 1");
  }
}

/** How many positions the angles are meant for: the trained context, stretched where the scaling says by how much. */
export function contextLength(rope: RopeParameters, maxPositions: number): number {
  switch (rope.type) {
    case "linear":
    case "dynamic":
      return Math.max(maxPositions, Math.floor(maxPositions * rope.factor));
    case "yarn":
      return Math.max(maxPositions, Math.floor(rope.originalPositions * rope.factor));
    default:
      return maxPositions;
  }
}
