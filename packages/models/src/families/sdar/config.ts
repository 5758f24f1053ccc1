import { configParser, readDenseFields } from "../family.ts";
import { type Qwen3Config, readQwen3Fields } from "../qwen3/config.ts";

export interface SdarConfig extends Qwen3Config {
  /** Tokens of a block; 1 for a causal mask. */
  readonly blockLength: number;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseSdarConfig = configParser(
  "sdar",
  { harmless: {}, refused: {} },
  (fields, warn): SdarConfig => {
    const common = readDenseFields(
      fields,
      { eps: 1e-6, maxPositions: 32768, kvHeads: 32, headDim: 128 },
      warn,
    );
    const config = readQwen3Fields(fields, "sdar", common);
    const blockLength = fields.positiveInteger("block_size", 1);
    if (blockLength > 1 && config.windows.some((window) => window !== null))
      fields.fail("block_size", `is ${blockLength}, which is not supported together with a sliding window`);
    return { ...config, blockLength };
  },
);
