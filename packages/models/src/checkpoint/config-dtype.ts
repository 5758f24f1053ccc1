import type { FloatDtype } from "@qknorm/tensor";
import type { ConfigFields } from "./config-fields.ts";
import { shown } from "./shown-value.ts";
import type { Warn } from "./warnings.ts";

/** PyTorch's names of the float dtypes. */
const DTYPES: Readonly<Record<string, FloatDtype>> = {
  bfloat16: "bf16",
  float16: "f16",
  half: "f16",
  float32: "f32",
  float: "f32",
};

/**
 * What `dtype` (transformers 5) or `torch_dtype` (4) says the weights are: "bfloat16" or "torch.bfloat16"; null where it
 * says nothing or "auto". There is no f64 here: it becomes f32, and `warn` hears of it.
 *
 * @throws ERR_CHECKPOINT for any other name
 */
export function readConfigDtype(fields: ConfigFields, warn: Warn): FloatDtype | null {
  const key = fields.has("dtype") ? "dtype" : "torch_dtype";
  fields.value("torch_dtype");
  if (!fields.has(key)) return null;
  const written = fields.string(key);
  const name = written.replace(/^torch\./, "");
  if (name === "auto") return null;
  if (name === "float64" || name === "double") {
    warn(`${fields.source}: ${key} is ${shown(written)}; the model runs in f32`);
    return "f32";
  }
  if (Object.hasOwn(DTYPES, name)) return DTYPES[name] as FloatDtype;
  return fields.fail(
    key,
    `must be one of ${Object.keys(DTYPES).join(", ")}, float64 and auto, got ${shown(written)}`,
  );
}
