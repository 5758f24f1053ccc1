import { QkNormError } from "@qknorm/core";
import { ConfigFields } from "./config-fields.ts";
import { isJsonObject, type JsonObject } from "./json-file.ts";
import { shown, shownList } from "./shown-value.ts";

/** How strongly a LoRA adapter changes each layer. */
export interface LoraConfig {
  /** The rank that the adapter's matrices of a layer must have; layers as in "model.layers.0.self_attn.q_proj". */
  rankOf(layer: string): number;
  /** What B A is multiplied by. */
  scaleOf(layer: string): number;
}

/** Keys that say how an adapter was trained or where it came from; what it computes is in its tensors. */
const HARMLESS = [
  "auto_mapping",
  "base_model_name_or_path",
  "exclude_modules",
  "inference_mode",
  "layers_pattern",
  "layers_to_transform",
  "lora_dropout",
  "megatron_core",
  "peft_version",
  "qalora_group_size",
  "revision",
  "target_modules",
  "task_type",
];

/** Ways to begin the training that change the base weights too, so that the adapter alone does not fit them. */
const CHANGES_BASE = /^(pissa|olora|loftq|corda|lora_ga)/i;

/**
 * Reads `adapter_config.json` as PEFT writes it.
 *
 * @throws ERR_CHECKPOINT for any kind of adapter but plain LoRA, and for every key that would change what it computes
 */
export function parseLoraConfig(raw: JsonObject): LoraConfig {
  const fields = new ConfigFields(raw, "adapter_config.json");
  const type = fields.string("peft_type");
  if (type !== "LORA") refuse(fields, "peft_type", `is ${shown(type)}; only "LORA" adapters are supported`);
  const bias = fields.string("bias", "none");
  if (bias !== "none") refuse(fields, "bias", `is ${shown(bias)}; only "none" is supported`);
  const start = fields.value("init_lora_weights");
  if (typeof start === "string" && CHANGES_BASE.test(start)) {
    refuse(fields, "init_lora_weights", `is ${shown(start)}, which changes the base weights`);
  }
  const rank = fields.positiveInteger("r");
  const alpha = fields.number("lora_alpha");
  const ranks = readPattern(fields, "rank_pattern");
  const alphas = readPattern(fields, "alpha_pattern");
  const rooted = fields.boolean("use_rslora", false);
  for (const key of HARMLESS) fields.value(key);
  refuseUnread(fields);
  const rankOf = (layer: string) => matching(ranks, layer) ?? rank;
  return Object.freeze({
    rankOf,
    scaleOf(layer: string) {
      const divisor = rooted ? Math.sqrt(rankOf(layer)) : rankOf(layer);
      return (matching(alphas, layer) ?? alpha) / divisor;
    },
  });
}

type Pattern = readonly (readonly [end: string, anchored: boolean, value: number])[];

// PEFT takes the keys as regular expressions; those that are written in practice are ends of layer names.
function readPattern(fields: ConfigFields, key: string): Pattern {
  const value = fields.value(key) ?? {};
  if (!isJsonObject(value)) return fields.fail(key, `must be an object, got ${shown(value)}`);
  return Object.entries(value).map(([name, number]) => {
    const [, start = "", end] = /^(\^?)([\w.\-\\]+)\$?$/.exec(name) ?? [];
    const layer = end?.replaceAll("\\.", ".");
    if (layer === undefined || layer.includes("\\")) {
      return refuse(fields, key, `has ${shown(name)}; only names of layers or their ends are supported`);
    }
    if (typeof number !== "number" || !Number.isFinite(number) || number <= 0) {
      return fields.fail(key, `has ${shown(number)} for ${shown(name)}; it must be a positive number`);
    }
    return [layer, start === "^", number] as const;
  });
}

function matching(pattern: Pattern, layer: string): number | undefined {
  return pattern.find(([end, anchored]) => layer === end || (!anchored && layer.endsWith(`.${end}`)))?.[2];
}

function refuseUnread(fields: ConfigFields): void {
  const set = fields.unread().filter((key) => !isOff(fields.raw[key]));
  if (set.length > 0) refuse(fields, shownList(set), `${set.length === 1 ? "is" : "are"} not supported`);
}

function isOff(value: unknown): boolean {
  return (
    value === false || value === "" || (typeof value === "object" && Object.keys(value ?? {}).length === 0)
  );
}

function refuse(fields: ConfigFields, key: string, problem: string): never {
  throw new QkNormError(
    "ERR_CHECKPOINT",
    `${fields.source}: ${key} ${problem}; merge the adapter into the weights with PEFT's merge_and_unload, or take adapter_config.json out of the folder`,
  );
}
