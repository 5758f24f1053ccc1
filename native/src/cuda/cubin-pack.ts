import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import type { CubinName } from "./cubin-store.ts";

// A pack: 8 bytes that name the format, the SHA-256 of the rest, the length of the index, the index as JSON, and all
// cubins together, compressed: they resemble each other so much that one more costs a few hundred bytes.
const magic = Buffer.from("QKPACK01");
const sumBytes = 32;
const headBytes = magic.length + sumBytes + 4;

export interface PackedCubin extends CubinName {
  readonly cubin: Uint8Array;
}

interface IndexEntry extends CubinName {
  readonly bytes: number;
}

/** Kernels of one architecture in one file, as the package ships them. */
export class CubinPack {
  readonly #index: ReadonlyMap<
    string,
    { readonly compiler: string; readonly start: number; readonly end: number }
  >;
  readonly #compressed: Uint8Array;
  #cubins: Uint8Array | undefined;

  /** Throws an `Error` for a file that is not there or no pack. */
  constructor(path: string) {
    const file = readFileSync(path);
    const body = file.subarray(magic.length + sumBytes);
    const sum = file.subarray(magic.length, magic.length + sumBytes);
    if (!file.subarray(0, magic.length).equals(magic) || !sum.equals(sumOf(body))) {
      throw new Error(`${path} is no pack of cubins, or is damaged`);
    }
    const indexEnd = headBytes + file.readUInt32LE(headBytes - 4);
    const entries: IndexEntry[] = JSON.parse(file.toString("utf8", headBytes, indexEnd));
    let end = 0;
    this.#index = new Map(
      entries.map(({ key, compiler, bytes }) => {
        end += bytes;
        return [key, { compiler, start: end - bytes, end }];
      }),
    );
    this.#compressed = file.subarray(indexEnd);
  }

  get entries(): number {
    return this.#index.size;
  }

  /** The versions of NVRTC that made them. */
  get compilers(): string[] {
    return [...new Set([...this.#index.values()].map(({ compiler }) => compiler))];
  }

  /** The cubin of a kernel, and what compiled it. */
  get(key: string): { readonly cubin: Uint8Array; readonly compiler: string } | undefined {
    const entry = this.#index.get(key);
    if (entry === undefined) return undefined;
    this.#cubins ??= brotliDecompressSync(this.#compressed);
    return { cubin: new Uint8Array(this.#cubins.subarray(entry.start, entry.end)), compiler: entry.compiler };
  }
}

/** Writes a pack, and says how many bytes it has. Throws what the file system does. */
export function writePack(path: string, cubins: readonly PackedCubin[]): number {
  const index = Buffer.from(
    JSON.stringify(cubins.map(({ key, compiler, cubin }) => ({ key, compiler, bytes: cubin.length }))),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32LE(index.length);
  const all = Buffer.concat(cubins.map(({ cubin }) => cubin));
  const compressed = brotliCompressSync(all, {
    params: { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: all.length },
  });
  const body = Buffer.concat([length, index, compressed]);
  const pack = Buffer.concat([magic, sumOf(body), body]);
  writeFileSync(path, pack);
  return pack.length;
}

function sumOf(body: Uint8Array): Buffer {
  return createHash("sha256").update(body).digest();
}
