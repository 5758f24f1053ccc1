import { existsSync, readdirSync } from "node:fs";
import { isAbsolute, join, normalize } from "node:path";
import { QkNormError } from "@qknorm/core";
import { isJsonObject, readJsonObject } from "./json-file.ts";
import { openSafetensors, type SafetensorsFile } from "./safetensors.ts";
import { MOST_TENSORS } from "./safetensors-header.ts";
import { shown, shownList } from "./shown-value.ts";

export const INDEX = "model.safetensors.index.json";

/** How shards are called where they are written: `model-00001-of-00002.safetensors`. */
const SHARD_NAME = /^model-\d{5}-of-\d{5}\.safetensors$/;

export interface Shards {
  readonly files: readonly SafetensorsFile[];
  /** What the index and the folder disagree about, without harm. */
  readonly warnings: readonly string[];
}

/**
 * Opens the shards that `model.safetensors.index.json` lists. The files say which tensors there are, as in
 * transformers: a tensor that the index forgot, or has in another shard, counts; one that it lists and no file has is
 * refused. A shard that the index forgot as a whole is read for the tensors that the others lack.
 *
 * @throws ERR_CHECKPOINT that names the index or the shard
 */
export function openShards(dir: string): Shards {
  const listed = readWeightMap(dir);
  const files: SafetensorsFile[] = [];
  try {
    for (const shard of new Set(listed.values())) files.push(openSafetensors(join(dir, shard)));
    const count = files.reduce((sum, { names }) => sum + names.length, 0);
    if (count > MOST_TENSORS) {
      throw new QkNormError("ERR_CHECKPOINT", `${dir}: its shards hold more than ${MOST_TENSORS} tensors`);
    }
    const warnings: string[] = [];
    for (const shard of forgottenShards(dir, new Set(listed.values()))) {
      files.push(openSafetensors(join(dir, shard)));
      warnings.push(`${shard} is read though ${INDEX} does not name it`);
    }
    checkShards(dir, listed, files);
    return { files, warnings };
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  }
}

/** The shard of each tensor, as the index says; every shard is there, and inside the folder. */
function readWeightMap(dir: string): ReadonlyMap<string, string> {
  const path = join(dir, INDEX);
  const weightMap = readJsonObject(path, { maxBytes: 64 * 2 ** 20 }).weight_map;
  const fail = (problem: string): never => {
    throw new QkNormError("ERR_CHECKPOINT", `${path}: ${problem}`);
  };
  if (!isJsonObject(weightMap)) return fail(`weight_map must be an object, got ${shown(weightMap)}`);
  const shards = new Map<string, string>();
  for (const [name, shard] of Object.entries(weightMap)) {
    if (typeof shard !== "string" || !staysInside(shard)) {
      return fail(
        `weight_map sends ${shown(name)} to ${shown(shard)}, which is not a file name inside the folder`,
      );
    }
    shards.set(name, shard);
  }
  if (shards.size === 0) return fail("weight_map is empty");
  const all = [...new Set(shards.values())];
  const missing = all.filter((shard) => !existsSync(join(dir, shard)));
  if (missing.length > 0) {
    return fail(`${missing.length} of ${all.length} shards are not in the folder: ${shownList(missing)}`);
  }
  return shards;
}

function staysInside(name: string): boolean {
  const clean = normalize(name);
  return !/[\\:\0]/.test(name) && !isAbsolute(clean) && clean !== "." && clean.split(/[\\/]/)[0] !== "..";
}

function forgottenShards(dir: string, listed: ReadonlySet<string>): string[] {
  if (![...listed].every((shard) => SHARD_NAME.test(shard))) return [];
  const counts = new Set([...listed].map((shard) => shard.slice(-"00002.safetensors".length)));
  return readdirSync(dir)
    .filter((name) => SHARD_NAME.test(name) && !listed.has(name))
    .filter((name) => counts.has(name.slice(-"00002.safetensors".length)))
    .sort();
}

/** Nothing that is listed is absent, and nothing is there twice. */
function checkShards(
  dir: string,
  listed: ReadonlyMap<string, string>,
  files: readonly SafetensorsFile[],
): void {
  const fileOf = new Map<string, string>();
  for (const file of files) {
    for (const name of file.names) {
      const other = fileOf.get(name);
      if (other !== undefined) {
        throw new QkNormError("ERR_CHECKPOINT", `${file.path}: tensor ${shown(name)} is also in ${other}`);
      }
      fileOf.set(name, file.path);
    }
  }
  for (const [name, shard] of listed) {
    if (fileOf.has(name)) continue;
    throw new QkNormError(
      "ERR_CHECKPOINT",
      `${join(dir, shard)}: tensor ${shown(name)} is listed in ${INDEX} but not there`,
    );
  }
}
