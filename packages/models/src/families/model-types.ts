import { QkNormError } from "@qknorm/core";
import { shown } from "../checkpoint/shown-value.ts";
import type { ModelFamily } from "./causal-lm.ts";
import * as registry from "./registry.ts";
import { textParts } from "./text-parts.ts";

const decoders = byModelType(Object.values(registry));
const families = new Map([...decoders, ...byModelType(textParts((type) => known(type, decoders)))]);

/** The family of a `model_type`. Throws `ERR_CHECKPOINT` with the known ones when there is none. */
export function modelFamily(modelType: string): ModelFamily {
  return known(modelType, families);
}

/** Every `model_type` that loads. */
export function listModels(): readonly string[] {
  return [...families.keys()].sort();
}

function byModelType(all: readonly ModelFamily[]): ReadonlyMap<string, ModelFamily> {
  return new Map(all.map((family) => [family.modelType, family]));
}

function known(modelType: string, among: ReadonlyMap<string, ModelFamily>): ModelFamily {
  const family = among.get(modelType);
  if (family !== undefined) return family;
  throw new QkNormError(
    "ERR_CHECKPOINT",
    `model_type ${shown(modelType)} is not supported; supported: ${[...among.keys()].sort().join(", ")}`,
  );
}
