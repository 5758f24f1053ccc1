import { BAILING_KEYS, type BailingFields, readBailingFields } from "../bailing-fields.ts";
import { configParser } from "../family.ts";

export type BailingMoeConfig = BailingFields;

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseBailingMoeConfig = configParser("bailing_moe", BAILING_KEYS, (fields, warn) =>
  readBailingFields(
    fields,
    {
      ...{ eps: 1e-6, maxPositions: 32768, kvHeads: 4, headDim: 128 },
      rope: { theta: 6e5, share: 1 },
      router: { groups: { count: 8, kept: 4 } },
      ...{ firstSparse: 1, outBias: false },
    },
    warn,
  ),
);
