import { BAILING_KEYS, type BailingFields, readBailingFields } from "../bailing-fields.ts";
import { configParser } from "../family.ts";

export type Llada2MoeConfig = BailingFields;

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseLlada2MoeConfig = configParser("llada2_moe", BAILING_KEYS, (fields, warn) => {
  const config = readBailingFields(
    fields,
    {
      ...{ eps: 1e-5, maxPositions: 16384, zeroKvHeads: "all" },
      rope: { theta: 1e4, share: 0.5 },
      router: { factor: 2.5, groups: { count: 8, kept: 4 } },
      ...{ firstSparse: 0, outBias: true },
    },
    warn,
  );
  if (!config.useQkNorm) fields.fail("use_qk_norm", "is false; this family always has QK norm");
  return config;
});
