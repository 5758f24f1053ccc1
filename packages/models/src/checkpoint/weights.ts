import { decodeBf16, decodeF16 } from "@qknorm/core";
import type { Checkpoint } from "./checkpoint.ts";
import type { TensorData } from "./dtypes.ts";
import type { FilePiece } from "./safetensors.ts";
import type { TensorInfo } from "./safetensors-header.ts";

/** One tensor as a model will see it: read from a file as it is, or computed when it is read. */
export interface Weight extends TensorInfo {
  /** A new typed array, row-major; F16 and BF16 as bit patterns. */
  read(): TensorData;
  /** Fills a destination of exactly the weight's byte length. */
  readInto(destination: ArrayBufferView): void;
  /** Its bytes as they lie in files, in order; absent for a weight that is computed. */
  pieces?(): Iterable<FilePiece>;
}

/**
 * The weights of a model by name. Loading is a chain of functions from one such map to the next: names made the
 * model's, quantised blocks made numbers, an adapter merged. Nothing is read before a weight is asked for.
 */
export type Weights = ReadonlyMap<string, Weight>;

/** The tensors of a checkpoint as they lie in its files; the checkpoint stays open for as long as they are read. */
export function weightsOf(checkpoint: Checkpoint): Weights {
  return new Map(checkpoint.names.map((name) => [name, new StoredWeight(checkpoint, name)]));
}

/** One tensor of a file, or of several files that are one checkpoint. */
export class StoredWeight implements Weight {
  readonly dtype: TensorInfo["dtype"];
  readonly shape: readonly number[];
  readonly bytes: number;
  readonly #source: TensorSource;
  readonly #name: string;

  constructor(source: TensorSource, name: string) {
    const { dtype, shape, bytes } = source.info(name);
    this.dtype = dtype;
    this.shape = shape;
    this.bytes = bytes;
    this.#source = source;
    this.#name = name;
  }

  read(): TensorData {
    return this.#source.read(this.#name);
  }

  readInto(destination: ArrayBufferView): void {
    this.#source.readInto(this.#name, destination);
  }

  pieces(): Iterable<FilePiece> {
    return this.#source.pieces(this.#name);
  }
}

/** A `Checkpoint` or a `SafetensorsFile`. */
interface TensorSource {
  info(name: string): TensorInfo;
  read(name: string): TensorData;
  readInto(name: string, destination: ArrayBufferView): void;
  pieces(name: string): Iterable<FilePiece>;
}

/** A weight that is computed in f32 when it is read. */
export function computedWeight(shape: readonly number[], compute: () => Float32Array): Weight {
  const elements = shape.reduce((product, size) => product * size, 1);
  return {
    dtype: "F32",
    shape,
    bytes: 4 * elements,
    read: compute,
    readInto(destination) {
      const { buffer, byteOffset, byteLength } = destination;
      new Uint8Array(buffer, byteOffset, byteLength).set(new Uint8Array(compute().buffer));
    },
  };
}

/** A weight in f32, whatever float dtype it is stored in; null for any other dtype. */
export function readFloat32(weight: Weight): Float32Array | null {
  switch (weight.dtype) {
    case "F32":
      return weight.read() as Float32Array;
    case "F64":
      return Float32Array.from(weight.read() as Float64Array);
    case "BF16":
      return Float32Array.from(weight.read() as Uint16Array, decodeBf16);
    case "F16":
      return Float32Array.from(weight.read() as Uint16Array, decodeF16);
    default:
      return null;
  }
}
