import {
  type AttentionKind,
  fullEvery,
  readLayerKinds,
  readWindow,
} from "../../checkpoint/attention-windows.ts";
import type { ConfigFields } from "../../checkpoint/config-fields.ts";
import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface Exaone4Config extends DenseFields {
  readonly kinds: readonly AttentionKind[];
  /** How many tokens the queries of sliding layers see, themselves included. Null: no layer slides, and all have positions. */
  readonly window: number | null;
}

/** The kinds of layers and their window, as the EXAONE families write them. */
export function readExaoneWindows(
  fields: ConfigFields,
  layers: number,
): Pick<Exaone4Config, "kinds" | "window"> {
  const whole = fields.raw.sliding_window === null;
  // A word such as "LLLG" is a note beside `layer_types`.
  const counted = fields.has("sliding_window_pattern") && !(whole || fields.has("layer_types"));
  const pattern = counted ? fields.positiveInteger("sliding_window_pattern") : 4;
  fields.value("sliding_window_pattern");
  const kinds = readLayerKinds(fields, layers, fullEvery(whole ? 0 : pattern));
  return { kinds, window: readWindow(fields, kinds, 4096) };
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseExaone4Config = configParser(
  "exaone4",
  { harmless: {}, refused: {} },
  (fields, warn): Exaone4Config => {
    const common = readDenseFields(fields, { eps: 1e-5, maxPositions: 2048, kvHeads: 32 }, warn);
    return { ...common, ...readExaoneWindows(fields, common.layers) };
  },
);
