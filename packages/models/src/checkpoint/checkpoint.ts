import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { QkNormError } from "@qknorm/core";
import { assertObject, refuse } from "../layers/layer-arguments.ts";
import type { TensorData } from "./dtypes.ts";
import { requireFolder } from "./model-folder.ts";
import { type FilePiece, openSafetensors, type SafetensorsFile } from "./safetensors.ts";
import type { TensorInfo } from "./safetensors-header.ts";
import { INDEX, openShards } from "./shards.ts";
import { shown } from "./shown-value.ts";

const SINGLE = "model.safetensors";

export interface LoadProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface CheckpointOptions {
  /** Called as bytes are read, at most 16 MiB apart. A tensor that is read again is not counted again. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

/**
 * Opens the weights of a Hugging Face model folder: `model.safetensors`, or else the shards of
 * `model.safetensors.index.json`. Headers are read and checked now, tensors when asked for.
 *
 * @throws ERR_CHECKPOINT that names the folder and what was looked for, or the first file and tensor that is wrong;
 *   ERR_QKNORM_ARGUMENT for options that are none
 */
export function openCheckpoint(dir: string, options: CheckpointOptions = {}): Checkpoint {
  assertObject(options, "the options of a checkpoint");
  const { onProgress } = options;
  if (onProgress !== undefined && typeof onProgress !== "function")
    refuse("onProgress must be a function", onProgress);
  requireFolder(dir);
  if (existsSync(join(dir, SINGLE)))
    return new Checkpoint(dir, [openSafetensors(join(dir, SINGLE))], options);
  if (existsSync(join(dir, INDEX))) {
    const { files, warnings } = openShards(dir);
    return new Checkpoint(dir, files, options, warnings);
  }
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
  /** What is odd about the files, without harm; one sentence each. */
  readonly warnings: readonly string[];
  readonly #files: readonly SafetensorsFile[];
  readonly #fileOf = new Map<string, SafetensorsFile>();
  readonly #onProgress: CheckpointOptions["onProgress"];
  readonly #counted = new Set<string>();
  #doneBytes = 0;

  constructor(
    dir: string,
    files: readonly SafetensorsFile[],
    options: CheckpointOptions = {},
    warnings: readonly string[] = [],
  ) {
    this.dir = dir;
    this.warnings = warnings;
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

  /** The tensor as it lies in its file. @throws ERR_CHECKPOINT as `SafetensorsFile.pieces` */
  pieces(name: string): Iterable<FilePiece> {
    return this.#file(name).pieces(name, this.#counter(name));
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

function otherWeights(dir: string): string {
  let others: string[] = [];
  try {
    others = readdirSync(dir).filter((name) => /\.(bin|pth?|gguf|onnx|safetensors)$/.test(name));
  } catch {
    // Only a hint is lost.
  }
  return others.length === 0 ? "" : ` (found ${others.slice(0, 4).join(", ")}: convert to ${SINGLE})`;
}
