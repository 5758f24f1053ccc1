import { QkNormError } from "@qknorm/core";
import { shown } from "../checkpoint/shown-value.ts";
import type { ModelFamily } from "./causal-lm.ts";
import * as registry from "./registry.ts";

const families: ReadonlyMap<string, ModelFamily> = new Map(
  Object.values(registry).map((family) => [family.modelType, family]),
);

/** The family of a `model_type`. Throws `ERR_CHECKPOINT` with the known ones when there is none. */
export function modelFamily(modelType: string): ModelFamily {
  const family = families.get(modelType);
  if (family !== undefined) return family;
  const known = listModels().join(", ");
  throw new QkNormError(
    "ERR_CHECKPOINT",
    `model_type ${shown(modelType)} is not supported; supported: ${known}`,
  );
}

/** Every `model_type` that loads. */
export function listModels(): readonly string[] {
  return [...families.keys()].sort();
}
