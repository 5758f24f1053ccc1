import type { RouterSpec } from "@qknorm/tensor";
import type { MoeSpec, RouterSetting } from "../layers/moe.ts";
import type { ConfigFields } from "./config-fields.ts";
import type { DecoderFields } from "./decoder-fields.ts";
import { shown } from "./shown-value.ts";

/** The sparse layers of a decoder. */
export interface ExpertFields {
  /** Of each layer: whether its MLP is a mixture of experts. */
  readonly sparse: readonly boolean[];
  readonly moe: MoeSpec;
}

/** Where a family's config has the numbers of its experts. */
export interface ExpertKeys {
  /** Keys that mean the number of experts. */
  readonly experts: readonly string[];
  /** Of each expert; default `moe_intermediate_size`. */
  readonly width?: string;
  /** The number of experts that all tokens take, as wide together as so many; absent: none. */
  readonly shared?: string;
}

/** The sizes of experts. @throws ERR_CHECKPOINT that names the field */
export function readExperts(
  fields: ConfigFields,
  { hiddenSize, activation }: Pick<DecoderFields, "hiddenSize" | "activation">,
  { experts: keys, width = "moe_intermediate_size", shared }: ExpertKeys,
): Omit<MoeSpec, "router"> {
  const experts = readOneOf(fields, keys);
  const intermediateSize = fields.positiveInteger(width);
  const sharedSize = shared === undefined ? 0 : intermediateSize * fields.nonNegativeInteger(shared);
  return { hiddenSize, activation, experts, intermediateSize, sharedSize };
}

/** How many experts each token goes to. @throws ERR_CHECKPOINT for more than there are */
export function readTopK(fields: ConfigFields, experts: number, key = "num_experts_per_tok"): number {
  const topK = fields.positiveInteger(key);
  return topK <= experts ? topK : fields.fail(key, `is ${topK}, of ${experts} experts`);
}

/** A softmax over all experts, the k largest of which are weights: `norm_topk_prob` divides them by their sum. */
export function softmaxRouter(topK: number, normalized: boolean): RouterSetting {
  return {
    ...{ score: "softmax", topK, groups: null, normalize: normalized ? { eps: 0 } : null, factor: 1 },
    ...{ gate: "model", bias: null, weights: "model" },
  };
}

/** What a family takes where its config says nothing. */
export interface SigmoidDefaults {
  readonly normalized: boolean;
  readonly factor?: number;
  readonly groups?: { readonly count: number; readonly kept: number };
}

/** Sigmoids in f32, chosen with a correction bias (DeepSeek-V3): `n_group`, `topk_group`, `routed_scaling_factor`. */
export function readSigmoidRouter(
  fields: ConfigFields,
  experts: number,
  { normalized, factor = 1, groups = { count: 1, kept: 1 } }: SigmoidDefaults,
): RouterSetting {
  const topK = readTopK(fields, experts);
  return {
    ...{ score: "sigmoid", topK, groups: readGroups(fields, topK, experts, groups) },
    normalize: normalized ? { eps: 1e-20 } : null,
    factor: fields.number("routed_scaling_factor", factor),
    ...{ gate: "f32", bias: "f32", weights: "f32" },
  };
}

/** `n_group` equal runs of experts, of which `topk_group` take part. @throws ERR_CHECKPOINT for what cannot be */
function readGroups(
  fields: ConfigFields,
  topK: number,
  experts: number,
  absent: NonNullable<RouterSpec["groups"]>,
): RouterSpec["groups"] {
  const count = fields.positiveInteger("n_group", absent.count);
  const kept = fields.positiveInteger("topk_group", absent.kept);
  if (count === 1 && kept === 1) return null;
  const size = experts / count;
  if (!Number.isInteger(size) || size < 2)
    fields.fail("n_group", `is ${count}, which does not cut ${experts} experts into groups of 2 at least`);
  if (kept > count || kept * size < topK)
    fields.fail("topk_group", `is ${kept} of ${count} groups of ${size} experts, for ${topK} a token`);
  return { count, kept };
}

/** The layers from `first_k_dense_replace` on are sparse. */
export function readSparseFrom(
  fields: ConfigFields,
  layers: number,
  fallback: number,
  key = "first_k_dense_replace",
): readonly boolean[] {
  const first = fields.nonNegativeInteger(key, fallback);
  return Object.freeze(Array.from({ length: layers }, (_, layer) => layer >= first));
}

/** The layers of `moe_layers`, or every so many. */
export function readMoeLayers(fields: ConfigFields, layers: number): readonly boolean[] {
  const step = fields.positiveInteger("interleave_moe_layer_step", 1);
  const list = fields.value("moe_layers");
  if (list === undefined) return Array.from({ length: layers }, (_, layer) => (layer + 1) % step === 0);
  if (!Array.isArray(list) || !list.every((layer) => Number.isSafeInteger(layer)))
    return fields.fail("moe_layers", `must be a list of layers, got ${shown(list)}`);
  return Object.freeze(Array.from({ length: layers }, (_, layer) => list.includes(layer)));
}

/** `mlp_layer_types`, of "dense" and "sparse"; by a rule where the file has none. */
export function readMlpTypes(
  fields: ConfigFields,
  layers: number,
  absent: () => readonly boolean[],
): readonly boolean[] {
  const types = fields.value("mlp_layer_types");
  if (types === undefined) return absent();
  const known = (type: unknown) => type === "dense" || type === "sparse";
  if (!Array.isArray(types) || types.length !== layers || !types.every(known)) {
    return fields.fail(
      "mlp_layer_types",
      `must be a list of "dense" and "sparse", one for each of ${layers} layers, got ${shown(types)}`,
    );
  }
  return Object.freeze(types.map((type) => type === "sparse"));
}

/** A positive integer that goes by several names. @throws ERR_CHECKPOINT where two of them are written and differ */
function readOneOf(fields: ConfigFields, keys: readonly string[]): number {
  const written = keys.filter((key) => fields.has(key));
  const values = written.map((key) => fields.positiveInteger(key));
  const [first] = values;
  if (first === undefined) return fields.positiveInteger(keys[0] as string);
  if (new Set(values).size > 1)
    fields.fail(written[1] as string, `is ${values[1]}, and ${written[0]} is ${first}; they are one`);
  return first;
}
