import { readWindow } from "../../checkpoint/attention-windows.ts";
import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface MistralConfig extends DenseFields {
  /** Of every layer: how many tokens a query sees, itself included; null where it sees all before it. */
  readonly window: number | null;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseMistralConfig = configParser(
  "mistral",
  { harmless: {}, refused: {} },
  (fields, warn): MistralConfig => ({
    ...readDenseFields(fields, { eps: 1e-6, maxPositions: 131_072, kvHeads: 8 }, warn),
    window: readWindow(fields, [], 4096),
  }),
);
