import { QkNormError } from "@qknorm/core";
import { shown } from "./shown-value.ts";

/** Of reading, writing and continuing texts. @throws ERR_GENERATION for options that are no object */
export function assertOptions(options: unknown): asserts options is object {
  if (typeof options === "object" && options !== null) return;
  throw new QkNormError("ERR_GENERATION", `options must be an object, got ${shown(options)}`);
}
