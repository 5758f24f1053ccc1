import { existsSync, readdirSync } from "node:fs";
import { isAbsolute, join, normalize } from "node:path";
import { QkNormError } from "@qknorm/core";
import type { TensorData } from "./dtypes.ts";
import { isJsonObject, readJsonObject } from "./json-file.ts";
import { requireFolder } from "./model-folder.ts";
import { openSafetensors, type SafetensorsFile } from "./safetensors.ts";
import type { TensorInfo } from "./safetensors-header.ts";
import { shown } from "./shown-value.ts";

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

export interface LoadProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface CheckpointOptions {
  /** Called as bytes are read, at most 16 MiB apart. A tensor that is read again is not counted again. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

/**
 * Opens the weights of a Hugging Face model folder: `model.safetensors`, or else the shards that
 * `model.safetensors.index.json` lists. Headers are read and checked now, tensors when asked for.
 *
 * @throws ERR_CHECKPOINT that names the folder and what was looked for, or the first file and tensor that is wrong
 */
export function openCheckpoint(dir: string, options: CheckpointOptions = {}): Checkpoint {
  requireFolder(dir);
  if (existsSync(join(dir, SINGLE)))
    return new Checkpoint(dir, [openSafetensors(join(dir, SINGLE))], options);
  if (existsSync(join(dir, INDEX))) return new Checkpoint(dir, openShards(dir), options);
  throw new QkNormError(
    "ERR_CHECKPOINT",
    `${dir}: no weights: looked for ${SINGLE} and ${INDEX}${otherWeights(dir)}`,
  );
}

/** The tensors of one model, whatever files they are in. `close` it; memory that was read stays yours. */
export class Checkpoint {
  readonly dir: string;
  readonly names: readonly string[];
  readonly totalBytes: number;
  readonly #files: readonly SafetensorsFile[];
  readonly #fileOf = new Map<string, SafetensorsFile>();
  readonly #onProgress: CheckpointOptions["onProgress"];
  readonly #counted = new Set<string>();
  #doneBytes = 0;

  constructor(dir: string, files: readonly SafetensorsFile[], options: CheckpointOptions = {}) {
    this.dir = dir;
    this.#files = files;
    this.#onProgress = options.onProgress;
    for (const file of files) for (const name of file.names) this.#fileOf.set(name, file);
    this.names = Object.freeze([...this.#fileOf.keys()]);
    this.totalBytes = this.names.reduce((sum, name) => sum + this.info(name).bytes, 0);
  }

  has(name: string): boolean {
    return this.#fileOf.has(name);
  }

  /** @throws ERR_CHECKPOINT if there is no such tensor */
  info(name: string): TensorInfo {
    return this.#file(name).info(name);
  }

  /** A new typed array; F16 and BF16 as `Uint16Array`. @throws ERR_CHECKPOINT as `SafetensorsFile.read` */
  read(name: string): TensorData {
    return this.#file(name).read(name, this.#counter(name));
  }

  /** Fills `destination`, of exactly the tensor's byte length. @throws ERR_CHECKPOINT as `SafetensorsFile.readInto` */
  readInto(name: string, destination: ArrayBufferView): void {
    this.#file(name).readInto(name, destination, this.#counter(name));
  }

  /** May be called more than once. */
  close(): void {
    for (const file of this.#files) file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #file(name: string): SafetensorsFile {
    const file = this.#fileOf.get(name);
    if (file !== undefined) return file;
    throw new QkNormError(
      "ERR_CHECKPOINT",
      `${this.dir}: there is no tensor ${shown(name)} among its ${this.names.length}`,
    );
  }

  #counter(name: string): ((bytes: number) => void) | undefined {
    const onProgress = this.#onProgress;
    if (onProgress === undefined || this.#counted.has(name)) return undefined;
    this.#counted.add(name);
    return (bytes) => {
      this.#doneBytes += bytes;
      onProgress({ doneBytes: this.#doneBytes, totalBytes: this.totalBytes });
    };
  }
}

function openShards(dir: string): SafetensorsFile[] {
  const shards = readWeightMap(dir);
  const files: SafetensorsFile[] = [];
  try {
    for (const shard of shards.keys()) files.push(openSafetensors(join(dir, shard)));
    checkShards(dir, shards, files);
    return files;
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  }
}

/** The tensors that the index says are in each shard; every shard is there, and inside the folder. */
function readWeightMap(dir: string): Map<string, Set<string>> {
  const path = join(dir, INDEX);
  const weightMap = readJsonObject(path, { maxBytes: 64 * 2 ** 20 }).weight_map;
  const fail = (problem: string): never => {
    throw new QkNormError("ERR_CHECKPOINT", `${path}: ${problem}`);
  };
  if (!isJsonObject(weightMap)) return fail(`weight_map must be an object, got ${shown(weightMap)}`);
  const shards = new Map<string, Set<string>>();
  for (const [name, shard] of Object.entries(weightMap)) {
    if (typeof shard !== "string" || !staysInside(shard)) {
      return fail(
        `weight_map sends ${shown(name)} to ${shown(shard)}, which is not a file name inside the folder`,
      );
    }
    const tensors = shards.get(shard) ?? new Set();
    shards.set(shard, tensors.add(name));
  }
  if (shards.size === 0) return fail("weight_map is empty");
  const missing = [...shards.keys()].filter((shard) => !existsSync(join(dir, shard)));
  if (missing.length > 0) {
    return fail(
      `${missing.length} of ${shards.size} shards are not in the folder: ${missing.slice(0, 8).join(", ")}`,
    );
  }
  return shards;
}

function staysInside(name: string): boolean {
  const clean = normalize(name);
  return !/[\\:\0]/.test(name) && !isAbsolute(clean) && clean !== "." && clean.split(/[\\/]/)[0] !== "..";
}

/** Index and shards must say the same: nothing listed is absent, nothing present is unlisted or there twice. */
function checkShards(
  dir: string,
  shards: ReadonlyMap<string, Set<string>>,
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
  for (const [shard, listed] of shards) {
    const path = join(dir, shard);
    for (const name of listed) {
      if (fileOf.get(name) === path) fileOf.delete(name);
      else
        throw new QkNormError(
          "ERR_CHECKPOINT",
          `${path}: tensor ${shown(name)} is listed in ${INDEX} but not there`,
        );
    }
  }
  for (const [name, path] of fileOf) {
    throw new QkNormError("ERR_CHECKPOINT", `${path}: tensor ${shown(name)} is not listed in ${INDEX}`);
  }
}

function otherWeights(dir: string): string {
  let others: string[] = [];
  try {
    others = readdirSync(dir).filter((name) => /\.(bin|pth?|gguf|onnx|safetensors)$/.test(name));
  } catch {
    // Only a hint is lost.
  }
  return others.length === 0 ? "" : ` (found ${others.slice(0, 4).join(", ")}: convert to ${SINGLE})`;
}
