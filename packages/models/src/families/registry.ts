import { QkNormError } from "@qknorm/core";
import { shown } from "../checkpoint/shown-value.ts";
import type { ModelFamily } from "./causal-lm.ts";
import { qwen3 } from "./qwen3.ts";

const families: ReadonlyMap<string, ModelFamily> = new Map(
  [qwen3].map((family) => [family.modelType, family]),
);

/** The family of a `model_type`. Throws `ERR_CHECKPOINT` with the known ones when there is none. */
export function modelFamily(modelType: string): ModelFamily {
  const family = families.get(modelType);
  if (family !== undefined) return family;
  const known = [...families.keys()].join(", ");
  throw new QkNormError(
    "ERR_CHECKPOINT",
    `model_type ${shown(modelType)} is not supported; supported: ${known}`,
  );
}
