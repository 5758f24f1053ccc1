import { QkNormError } from "@qknorm/core";
import { dtypeTraits, isSafetensorsDtype, SAFETENSORS_DTYPES, type SafetensorsDtype } from "./dtypes.ts";
import { HeaderText } from "./header-text.ts";
import { shown } from "./shown-value.ts";

/** The largest models published have about 140,000 tensors; a million empty ones would cost gigabytes. */
export const MOST_TENSORS = 150_000;
const MOST_METADATA = 10_000;
const LONGEST_NAME = 512;
const MOST_AXES = 16;

/** What a header says of one tensor. */
export interface TensorInfo {
  readonly dtype: SafetensorsDtype;
  /** Row-major, outermost first; `[]` is a scalar. */
  readonly shape: readonly number[];
  readonly bytes: number;
}

export interface TensorEntry extends TensorInfo {
  /** First byte, counted from the start of the data section. */
  readonly begin: number;
}

export interface SafetensorsHeader {
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
}

/**
 * Parses and checks the JSON header of a safetensors file.
 *
 * @param header UTF-8 bytes, without the 8 bytes of their length
 * @param dataBytes size of the rest of the file
 * @param file shown in errors
 * @throws ERR_CHECKPOINT unless the entries are well formed and tile the data section: no hole, no overlap, no rest;
 *   and for more than 150,000 tensors, names of more than 512 characters, more than 16 axes, or 10,000 keys of metadata
 */
export function parseSafetensorsHeader(
  header: Uint8Array,
  dataBytes: number,
  file: string,
): SafetensorsHeader {
  const fail = (problem: string, options?: ErrorOptions): never => {
    throw new QkNormError("ERR_CHECKPOINT", `${file}: ${problem}`, options);
  };
  const text = new HeaderText(decodeUtf8(header, fail), fail);
  const metadata = new Map<string, string>();
  const tensors = new Map<string, TensorEntry>();
  if (holdsMore(header, MOST_TENSORS)) fail(`there are more than ${MOST_TENSORS} tensors in the file`);
  text.object("the header", MOST_TENSORS + 1, (key) => {
    if (key === "__metadata__") {
      // Some writers leave it empty in this way, and the Rust library reads that as none.
      if (text.nullValue()) return;
      text.object("__metadata__", MOST_METADATA, (name) =>
        metadata.set(name, text.string("a value of __metadata__")),
      );
    } else {
      if (key.length > LONGEST_NAME)
        fail(
          `tensor ${shown(key)} has a name of ${key.length} characters; at most ${LONGEST_NAME} are allowed`,
        );
      tensors.set(
        key,
        readEntry(text, () => `tensor ${shown(key)}`, fail),
      );
    }
  });
  text.end();
  checkTiling(tensors, dataBytes, fail);
  return { metadata, tensors };
}

type Fail = (problem: string, options?: ErrorOptions) => never;

function decodeUtf8(bytes: Uint8Array, fail: Fail): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    return fail("the header is not UTF-8", { cause });
  }
}

/** Whether there are more entries than that, without reading them: each has its offsets. */
function holdsMore(header: Uint8Array, most: number): boolean {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.byteLength);
  let count = 0;
  for (let at = bytes.indexOf(OFFSETS); at >= 0 && count <= most; at = bytes.indexOf(OFFSETS, at + 1))
    count++;
  return count > most;
}

const OFFSETS = '"data_offsets"';

function readEntry(text: HeaderText, tensor: () => string, fail: Fail): TensorEntry {
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  text.object(tensor, 4, (key) => {
    if (key === "dtype") dtype = text.string(() => `dtype of ${tensor()}`);
    else if (key === "shape") shape = text.numbers(() => `shape of ${tensor()}`, MOST_AXES);
    else if (key === "data_offsets") offsets = text.numbers(() => `data_offsets of ${tensor()}`, MOST_AXES);
    else fail(`${tensor()} has an unknown field ${shown(key)}`);
  });
  if (dtype === undefined || shape === undefined || offsets === undefined) {
    return fail(`${tensor()} needs dtype, shape and data_offsets`);
  }
  return checkEntry({ dtype, shape, offsets }, tensor, fail);
}

interface RawEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly offsets: readonly number[];
}

function checkEntry({ dtype, shape, offsets }: RawEntry, tensor: () => string, fail: Fail): TensorEntry {
  if (!isSafetensorsDtype(dtype)) {
    return fail(
      `${tensor()} has the unknown dtype ${shown(dtype)}; known: ${Object.keys(SAFETENSORS_DTYPES).join(" ")}`,
    );
  }
  if (!shape.every(isSize))
    return fail(`${tensor()} has the shape ${shown(shape)}: sizes must be integers from 0`);
  const [begin, end] = offsets;
  if (offsets.length !== 2 || !isSize(begin) || !isSize(end) || end < begin) {
    return fail(
      `${tensor()} has data_offsets ${shown(offsets)}: must be [begin, end] with 0 <= begin <= end`,
    );
  }
  const bits = shape.reduce((product, size) => product * size, dtypeTraits(dtype).bits);
  if (!Number.isSafeInteger(bits)) return fail(`${tensor()} is too big: ${dtype} ${shown(shape)}`);
  if (bits !== (end - begin) * 8) {
    return fail(
      `${tensor()} is ${dtype} ${shown(shape)}, so ${bits / 8} bytes, but data_offsets span ${end - begin}`,
    );
  }
  return { dtype, shape: Object.freeze([...shape]), bytes: end - begin, begin };
}

function isSize(value: number | undefined): value is number {
  return Number.isSafeInteger(value) && value! >= 0;
}

/** In order of their place in the file, each tensor must begin where the one before it ends. */
function checkTiling(tensors: ReadonlyMap<string, TensorEntry>, dataBytes: number, fail: Fail): void {
  const inFileOrder = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.bytes - b.bytes);
  let end = 0;
  let last: string | null = null;
  const previous = (): string => (last === null ? "the start" : `tensor ${shown(last)}`);
  for (const [name, { begin, bytes }] of inFileOrder) {
    if (begin < end)
      fail(`tensor ${shown(name)} begins at ${begin}, inside ${previous()}, which ends at ${end}`);
    if (begin > end)
      fail(`${begin - end} bytes between ${previous()} and tensor ${shown(name)} belong to no tensor`);
    end = begin + bytes;
    last = name;
  }
  if (end > dataBytes)
    fail(`the file is truncated: its tensors take ${end} bytes, it holds ${dataBytes} after the header`);
  if (end < dataBytes) fail(`${dataBytes - end} bytes after ${previous()} belong to no tensor`);
}
