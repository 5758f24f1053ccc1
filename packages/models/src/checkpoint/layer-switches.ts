import type { ConfigFields } from "./config-fields.ts";
import { shown } from "./shown-value.ts";

/**
 * A list of 0 and 1, one for each layer and perhaps for more, as switches; by a rule where the file has none, or
 * an empty list (as Llama 4 is published).
 *
 * @throws ERR_CHECKPOINT for anything else, or a list that is too short
 */
export function readSwitches(
  fields: ConfigFields,
  key: string,
  layers: number,
  absent: (layer: number) => boolean,
): readonly boolean[] {
  const list = fields.value(key);
  if (list === undefined || (Array.isArray(list) && list.length === 0))
    return Object.freeze(Array.from({ length: layers }, (_, layer) => absent(layer)));
  if (!Array.isArray(list) || list.length < layers || !list.every((value) => value === 0 || value === 1)) {
    return fields.fail(
      key,
      `must be a list of 0 and 1, one for each of ${layers} layers, got ${shown(list)}`,
    );
  }
  return Object.freeze(list.slice(0, layers).map((value) => value === 1));
}
