import { existsSync } from "node:fs";
import { QkNormError } from "@qknorm/core";
import { ConfigFields } from "./config-fields.ts";
import { type JsonObject, readJsonObject } from "./json-file.ts";
import { pathIn, requireFolder } from "./model-folder.ts";

export interface ModelConfig {
  /** The family, such as "qwen3": picks the model class. */
  readonly modelType: string;
  /** config.json as it is written. */
  readonly raw: JsonObject;
}

/**
 * Reads `config.json` of a model folder; what its fields must be is the family's to say.
 *
 * @throws ERR_CHECKPOINT if the folder or the file is missing, or the file is not JSON or has no `model_type`
 */
export function readConfig(dir: string): ModelConfig {
  const path = pathIn(dir, "config.json");
  requireFolder(dir);
  if (!existsSync(path)) {
    throw new QkNormError("ERR_CHECKPOINT", `${dir}: no config.json, so this is not a model folder`);
  }
  const raw = readJsonObject(path);
  return Object.freeze({ modelType: new ConfigFields(raw, "config.json").string("model_type"), raw });
}
