// Values that no type would let through, in each place of a call, as plain JavaScript passes them.
import { isQkNormError } from "@qknorm/core";
import { type HostArray, Tensor } from "../src/index.ts";

// Node 20 has it; the types of this project's target do not.
interface Resizable extends ArrayBuffer {
  resize(bytes: number): void;
}
const ResizableBuffer = ArrayBuffer as unknown as new (
  bytes: number,
  options: { readonly maxByteLength: number },
) => Resizable;

/** What the strange values throw themselves, which passes through whatever reads them. */
const own = new Error("the value's own error");
const throwOwn = () => {
  throw own;
};
const revoked = Proxy.revocable({}, {});
revoked.revoke();

const strange: [string, unknown][] = [
  ["undefined", undefined],
  ["null", null],
  ["NaN", Number.NaN],
  ["-1.5", -1.5],
  ["a text", "x"],
  ["true", true],
  ["a bigint", 10n],
  ["a symbol", Symbol("s")],
  ["an empty array", []],
  ["an array of null", [null]],
  ["an array of symbols", [Symbol("s")]],
  ["an array of objects without prototypes", [Object.create(null)]],
  ["an empty object", {}],
  ["an object without a prototype", Object.create(null)],
  ["an object that gives no text", { toString: throwOwn, valueOf: throwOwn, [Symbol.toPrimitive]: throwOwn }],
  ["a proxy that throws", new Proxy({}, { get: throwOwn, has: throwOwn, ownKeys: throwOwn })],
  ["a proxy that was revoked", revoked.proxy],
  ["a function", () => {}],
  ["an array of another kind", new Int8Array(3)],
  ["an array whose memory went", gone(3)],
  ["an array whose memory shrank", shrunk(3)],
  ["an array of shared memory", new Float32Array(new SharedArrayBuffer(12))],
];

export type Loose = (...args: unknown[]) => unknown;

/** The arguments with a strange value in one place, or in one field of one. */
export function* spoilt(args: readonly unknown[]): Generator<[place: string, args: unknown[]]> {
  for (const [i, arg] of args.entries()) {
    for (const [name, value] of [...strange, ...likenesses(arg)]) {
      yield [`${i} = ${name}`, args.with(i, value)];
      if (!Array.isArray(arg) && !isPlain(arg)) continue;
      for (const field of Object.keys(arg)) {
        const changed = Array.isArray(arg) ? [...arg] : { ...arg };
        (changed as Record<string, unknown>)[field] = value;
        yield [`${i}.${field} = ${name}`, args.with(i, changed)];
      }
    }
    if (!isPlain(arg)) continue;
    for (const field of Object.keys(arg)) {
      const changed = Object.defineProperty({ ...arg }, field, { get: throwOwn, enumerable: true });
      yield [`${i}.${field} throws`, args.with(i, changed)];
    }
  }
}

/** What looks as an object of a class does, and is none. */
function likenesses(value: unknown): [string, unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value) || isPlain(value)) return [];
  return [
    ["a proxy of it", new Proxy(value, {})],
    ["an empty one of its class", Object.create(Object.getPrototypeOf(value))],
    ...(Tensor.is(value) ? tensorsLike(value) : []),
  ];
}

/** The same tensor in memory that goes, shrinks, grows, or is shared between threads. */
function tensorsLike({ dtype, shape, data }: Tensor): [string, Tensor][] {
  const Kind = data.constructor as new (memory: ArrayBufferLike, offset: number, length: number) => HostArray;
  const bytes = data.length * data.BYTES_PER_ELEMENT;
  const resizable = () => new ResizableBuffer(bytes, { maxByteLength: 2 * bytes });
  const [goes, shrinks, grows] = [resizable(), resizable(), resizable()];
  const over = (memory: ArrayBufferLike) => new Tensor(new Kind(memory, 0, data.length), dtype, shape);
  const tensors: [string, Tensor][] = [
    ["one whose memory went", over(goes)],
    ["one whose memory shrank", over(shrinks)],
    ["one whose memory grew", over(grows)],
    ["one in shared memory", over(new SharedArrayBuffer(bytes))],
  ];
  structuredClone(goes, { transfer: [goes] });
  shrinks.resize(bytes - 1);
  grows.resize(2 * bytes);
  return tensors;
}

function gone(length: number): Float32Array {
  const array = new Float32Array(length);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

function shrunk(length: number): Float32Array {
  const buffer = new ResizableBuffer(4 * length, { maxByteLength: 4 * length });
  const array = new Float32Array(buffer, 0, length);
  buffer.resize(4);
  return array;
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/**
 * "taken", the code of the project's error, "its own" for what reading the value throws (a revoked proxy does so by an error of
 * the engine), or whatever else was thrown.
 */
export function outcome(call: Loose, args: unknown[]): unknown {
  try {
    call(...args);
    return "taken";
  } catch (error) {
    if (error === own || /on a proxy that has been revoked$/.test((error as Error).message)) return "its own";
    return isQkNormError(error) ? error.code : error;
  }
}
