import type { ConfigFields } from "./config-fields.ts";
import { shown } from "./shown-value.ts";

const CHUNKED = "chunked_attention";
const FULL = "full_attention";

/**
 * The length of the runs of keys that each layer's queries see, 0 for all: layers with positions see runs of
 * `attention_chunk_size`, where `layer_types` does not say otherwise.
 *
 * @throws ERR_CHECKPOINT for another kind of layer, or runs without a length
 */
export function readChunks(fields: ConfigFields, rotated: readonly boolean[]): readonly number[] {
  const key = "attention_chunk_size";
  const size = fields.raw[key] === null ? null : fields.positiveInteger(key, 8192);
  const types = fields.value("layer_types") ?? rotated.map((on) => (on && size !== null ? CHUNKED : FULL));
  const known = (type: unknown) => type === FULL || (type === CHUNKED && size !== null);
  if (!Array.isArray(types) || types.length !== rotated.length || !types.every(known)) {
    const kinds = size === null ? `"${FULL}"` : `"${FULL}" and "${CHUNKED}"`;
    return fields.fail(
      "layer_types",
      `must be a list of ${kinds}, one for each of ${rotated.length} layers, got ${shown(types)}`,
    );
  }
  return Object.freeze(types.map((type) => (type === CHUNKED ? (size as number) : 0)));
}
