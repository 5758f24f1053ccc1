import { configParser, type DenseFields, readDenseFields } from "../family.ts";
import { readQwenWindows } from "../qwen3/config.ts";

export interface Qwen2Config extends DenseFields {
  /** Of each layer: how many tokens a query sees, itself included; null where it sees all before it. */
  readonly windows: readonly (number | null)[];
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseQwen2Config = configParser(
  "qwen2",
  { harmless: {}, refused: {} },
  (fields, warn): Qwen2Config => {
    const common = readDenseFields(fields, { eps: 1e-6, maxPositions: 32768, kvHeads: 32 }, warn);
    return { ...common, windows: readQwenWindows(fields, common) };
  },
);
