import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { QkNormError } from "@qknorm/core";
import { dtypeTraits, type TensorData } from "./dtypes.ts";
import {
  parseSafetensorsHeader,
  type SafetensorsHeader,
  type TensorEntry,
  type TensorInfo,
} from "./safetensors-header.ts";
import { shown } from "./shown-value.ts";

const MAX_HEADER_BYTES = 100_000_000;
/** One read call; small enough to show progress, large enough to cost nothing. */
const CHUNK_BYTES = 16 * 2 ** 20;

/** Called after each chunk with the bytes that it added. */
export type OnChunk = (bytes: number) => void;

/** A run of a tensor's bytes in a file that is open. */
export interface FilePiece {
  readonly descriptor: number;
  readonly position: number;
  /** From the tensor's first byte. */
  readonly offset: number;
  readonly bytes: number;
  /** Says how many of them were there when they were read. @throws ERR_CHECKPOINT unless all were */
  arrived(bytes: number): void;
}

/**
 * Opens one safetensors file and checks its whole header; tensors are read when asked for.
 *
 * Format: 8 bytes little-endian header size, a JSON header, the tensors back to back, little-endian
 * (https://github.com/huggingface/safetensors#format). Files and tensors may be larger than 2 GiB.
 *
 * @throws ERR_CHECKPOINT for a file that is missing, truncated or not exactly as its header says
 */
export function openSafetensors(path: string): SafetensorsFile {
  const fd = openRegularFile(path);
  try {
    return new SafetensorsFile(path, fd, readHeader(path, fd));
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** An open safetensors file. `close` it; a tensor's memory stays yours after that. */
export class SafetensorsFile {
  readonly path: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly names: readonly string[];
  readonly #tensors: ReadonlyMap<string, TensorEntry>;
  readonly #dataStart: number;
  #fd: number | null;

  constructor(path: string, fd: number, header: SafetensorsHeader & { readonly dataStart: number }) {
    this.path = path;
    this.#fd = fd;
    this.metadata = header.metadata;
    this.#tensors = header.tensors;
    this.names = Object.freeze([...header.tensors.keys()]);
    this.#dataStart = header.dataStart;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** @throws ERR_CHECKPOINT if there is no such tensor */
  info(name: string): TensorInfo {
    const { dtype, shape, bytes } = this.#entry(name);
    return { dtype, shape, bytes };
  }

  /**
   * A new typed array of the tensor's elements, row-major.
   *
   * @throws ERR_CHECKPOINT for an unknown name, an unsupported dtype, or a file that changed under the reader
   */
  read(name: string, onChunk?: OnChunk): TensorData {
    const { dtype, shape, bytes } = this.#supported(name);
    const elements = shape.reduce((product, size) => product * size, 1);
    const data = this.#allocate(name, bytes, () => dtypeTraits(dtype).allocate!(elements));
    this.readInto(name, data, onChunk);
    return data;
  }

  /**
   * Copies a tensor's bytes into `destination`, whose byte length must be exactly the tensor's.
   *
   * @throws ERR_CHECKPOINT as `read`, and for a destination of another size (nothing is written then)
   */
  readInto(name: string, destination: ArrayBufferView, onChunk?: OnChunk): void {
    const { bytes } = this.#supported(name);
    if (!ArrayBuffer.isView(destination) || destination.byteLength !== bytes) {
      const given = ArrayBuffer.isView(destination) ? `${destination.byteLength} bytes` : "no typed array";
      this.#fail(`tensor ${shown(name)} is ${bytes} bytes, but the destination is ${given}`);
    }
    const target = new Uint8Array(destination.buffer, destination.byteOffset, bytes);
    for (const { position, offset, bytes: count, arrived } of this.pieces(name, onChunk)) {
      arrived(readRange(this.path, this.#open(), target.subarray(offset, offset + count), position));
    }
  }

  /**
   * The tensor as it lies in the file, a chunk at a time, for who reads it by himself.
   *
   * @throws ERR_CHECKPOINT as `read`, ERR_QKNORM_ARGUMENT for what is called after each chunk and is no function
   */
  *pieces(name: string, onChunk?: OnChunk): Generator<FilePiece, void, undefined> {
    if (onChunk != null && typeof onChunk !== "function")
      throw new QkNormError("ERR_QKNORM_ARGUMENT", `onChunk must be a function, got ${shown(onChunk)}`);
    const { begin, bytes } = this.#supported(name);
    for (let offset = 0; offset < bytes; offset += CHUNK_BYTES) {
      const count = Math.min(CHUNK_BYTES, bytes - offset);
      const arrived = (got: number): void => {
        if (got < count) {
          const missing = bytes - offset - got;
          this.#fail(`the file ended ${missing} bytes before the end of tensor ${shown(name)}`);
        }
        onChunk?.(got);
      };
      const position = this.#dataStart + begin + offset;
      yield { descriptor: this.#open(), position, offset, bytes: count, arrived };
    }
  }

  /** May be called more than once. */
  close(): void {
    if (this.#fd === null) return;
    closeSync(this.#fd);
    this.#fd = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #entry(name: string): TensorEntry {
    return (
      this.#tensors.get(name) ??
      this.#fail(`there is no tensor ${shown(name)} among its ${this.names.length}`)
    );
  }

  #supported(name: string): TensorEntry {
    const entry = this.#entry(name);
    if (dtypeTraits(entry.dtype).allocate === undefined) {
      this.#fail(
        `tensor ${shown(name)} is ${entry.dtype}, which cannot be read yet; convert it to BF16, F16 or F32`,
      );
    }
    return entry;
  }

  #allocate(name: string, bytes: number, allocate: () => TensorData): TensorData {
    try {
      return allocate();
    } catch (cause) {
      return this.#fail(`no memory for tensor ${shown(name)} of ${bytes} bytes`, { cause });
    }
  }

  #open(): number {
    return this.#fd ?? this.#fail("the file is closed");
  }

  #fail(problem: string, options?: ErrorOptions): never {
    throw new QkNormError("ERR_CHECKPOINT", `${this.path}: ${problem}`, options);
  }
}

function openRegularFile(path: string): number {
  if (typeof path !== "string")
    throw new QkNormError("ERR_CHECKPOINT", `a safetensors file is named by a string, got ${shown(path)}`);
  try {
    // Before opening: opening a pipe would wait for a writer.
    if (statSync(path).isFile()) return openSync(path, "r");
  } catch (cause) {
    throw new QkNormError("ERR_CHECKPOINT", `${path}: cannot be opened (${(cause as Error).message})`, {
      cause,
    });
  }
  throw new QkNormError("ERR_CHECKPOINT", `${path}: is not a file`);
}

function readHeader(path: string, fd: number): SafetensorsHeader & { dataStart: number } {
  const fail = (problem: string): never => {
    throw new QkNormError("ERR_CHECKPOINT", `${path}: ${problem}`);
  };
  const { size } = fstatSync(fd);
  if (size < 8)
    fail(`${size} bytes is too short for a safetensors file, which begins with 8 bytes of header size`);
  const prefix = new Uint8Array(8);
  readFully(path, fd, prefix, 0);
  const headerBytes = new DataView(prefix.buffer).getBigUint64(0, true);
  if (headerBytes > BigInt(size - 8)) {
    fail(
      `the header size is ${headerBytes} bytes, but only ${size - 8} follow: truncated, or not a safetensors file`,
    );
  }
  if (headerBytes > BigInt(MAX_HEADER_BYTES)) {
    fail(`the header size is ${headerBytes} bytes; at most ${MAX_HEADER_BYTES} are allowed`);
  }
  const header = new Uint8Array(Number(headerBytes));
  readFully(path, fd, header, 8);
  const dataStart = 8 + header.length;
  return { ...parseSafetensorsHeader(header, size - dataStart, path), dataStart };
}

function readFully(path: string, fd: number, target: Uint8Array, position: number): void {
  if (readRange(path, fd, target, position) === target.length) return;
  throw new QkNormError("ERR_CHECKPOINT", `${path}: the file ended while its header was read`);
}

/** Fills the target as far as the file goes; how far that was. */
function readRange(path: string, fd: number, target: Uint8Array, position: number): number {
  let done = 0;
  while (done < target.length) {
    const got = readAt(path, fd, target.subarray(done), position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

function readAt(path: string, fd: number, target: Uint8Array, position: number): number {
  try {
    return readSync(fd, target, 0, target.length, position);
  } catch (cause) {
    throw new QkNormError("ERR_CHECKPOINT", `${path}: cannot be read (${(cause as Error).message})`, {
      cause,
    });
  }
}
