import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fuzz, fuzzTimeout } from "../../packages/core/test/fuzz.ts";
import type { BindingModule } from "../src/binding.ts";
import { loadBinding } from "../src/loader.ts";
import { missing } from "./qk-norm-case.ts";

// The addon itself, without the TypeScript in front of it: whatever it is called with, it returns or throws an Error
// with a code that we know. That the process is alive to say so is the other half of the test.
const codes = new Set([
  ...[
    "ERR_QKNORM_SHAPE",
    "ERR_QKNORM_DTYPE",
    "ERR_QKNORM_LAYOUT",
    "ERR_QKNORM_OVERLAP",
    "ERR_QKNORM_ARGUMENT",
  ],
  "ERR_NATIVE",
]);

type Method = Exclude<keyof BindingModule, "abi" | "qkNorm">;

const half = () => new Uint16Array(64).fill(0x3f80);
const whole = () => new Float32Array(64).fill(1);
const bytes = () => new Uint8Array(64).fill(0x38);
const inPlace = () => {
  const x = whole();
  return [x, x];
};

/** A valid call of each function, to be spoilt. */
const valid: Partial<Record<Method, () => { params: number[]; args: unknown[] }>> = {
  linear: () => ({
    params: [2, 8, 4, 1, 0, 8, 1, 0, 8, 1, 0, 1, 0, 4, 1, -1],
    args: [half(), half(), half(), half()],
  }),
  project: () => ({
    params: [...[2, 8, 8, 1, 0, 8, 1, 0, 8, 1, 0, 1, 0, 1, 0, 0, 4, 0, 4], ...[2, 1, 0, 1e-6, 0, 1, -1]],
    args: [half(), half(), half(), half(), half(), half(), half()],
  }),
  attention: () => ({
    params: [1, 2, 1, 2, 1, 4, 0.5, 0, 0, -1, 0, 8, 4, 0, 4, 4, 0, 4, 4, 0, 8, 4, 0, 0, 0, 1, 0],
    args: [half(), half(), half(), half(), half()],
  }),
  rope: () => ({
    params: [0, 2, 2, 8, 4, 3, 0, 0, -1, 0, 16, 8, 0, 0, 0],
    args: [whole(), whole(), whole(), Int32Array.of(2, 0)],
  }),
  siluMul: () => ({ params: [0, 2, 4, 0, -1, 0, 8, 0, 4], args: [whole(), whole()] }),
  add: () => ({ params: [1, 64, -1, 0, 0, 0], args: [half(), half(), half()] }),
  mul: () => ({ params: [1, 64, -1, 0, 0, 0], args: [half(), half(), half()] }),
  pointwise: () => ({ params: [1, 64, 9, 4, -1, 0, 0], args: [half(), half()] }),
  xielu: () => ({ params: [0, 64, 0.5, 0.5, 0.5, -1e-6, -1, 0, 0], args: [whole(), whole()] }),
  convert: () => ({ params: [1, 0, 64, -1, 0, 0], args: [half(), whole()] }),
  gatherRows: () => ({
    params: [1, 0, 3, 4, 8, -1, 0, 8, 0, 0, 4],
    args: [half(), Int32Array.of(1, 7, 0), whole()],
  }),
  moe: () => ({
    params: [
      ...[2, 2, 2, 4, 4, 1, 0, 4],
      ...[1, 0, 16, 4, 1, 0, 16, 4, 1, 0, 16, 4],
      ...[0, 0, 0, 1, 0, 4, 0, 0, 1, -1],
    ],
    args: [half(), half(), half(), half(), Int32Array.of(1, 0, 0, 1), whole(), half()],
  }),
  writeCache: () => ({
    params: [...[1, 2, 2, 4, -1, 0, 8, 4, 0, 8, 4], ...[3, 1, 3, 0, 0, 8, 4, 0, 8, 4, 0, 2, 1, 0, 2, 1]],
    args: [half(), half(), bytes(), bytes(), Int32Array.of(2, -1), whole(), whole()],
  }),
  qkNormRope: () => ({
    params: [
      ...[0, 4, 2, 0, -1],
      ...[1, 0, 8, 4, 0, 8, 4, 2, 0, 0, 0, 0, 1e-6, 0, 0, 0, 0],
      ...[1, 0, 4, 4, 0, 4, 4, 1, 0, 0, 0, 0, 1e-6, 1, 1, 1, 0],
      ...[2, 1, 1, 3, 0, 0, 0, 1, 0, 4, 4],
      ...[3, 2, 3, 0, 0, 4, 4, 0, 4, 4, 0, 1, 1, 0, 1, 1],
    ],
    args: [
      ...[...inPlace(), new Float32Array(4), null, ...inPlace(), new Float32Array(4), new Float32Array(4)],
      ...[whole(), whole(), Int32Array.of(2, 0), whole()],
      ...[bytes(), bytes(), Int32Array.of(2, -1), whole(), whole()],
    ],
  }),
  causalConv: () => ({
    params: [2, 4, 3, 1, 0, 4, 1, 0, 1, 0, 0, 0, -1, 1],
    args: [half(), half(), half(), half(), half()],
  }),
  gatedDeltaRule: () => ({
    params: [
      ...[2, 1, 2, 4, 4, 0.5, 1, -1, 0],
      ...[1, 0, 4, 4, 1, 0, 4, 4, 1, 0, 8, 4, 1, 0, 2, 1, 1, 0, 2, 1, 1, 0, 0, 1, 1, 0, 0, 1],
    ],
    args: [half(), half(), half(), half(), half(), half(), half(), whole(), new Uint16Array(16)],
  }),
  copyRows: () => ({ params: [1, 4, 8, 0, 16, 8, 8], args: [half(), half()] }),
};

const badNumber = fc.constantFrom(
  ...[
    -1,
    -0,
    0,
    0.5,
    1,
    2,
    3,
    7,
    63,
    64,
    65,
    1e9,
    2 ** 31,
    2 ** 32,
    2 ** 40,
    2 ** 52,
    2 ** 53 - 1,
    2 ** 53,
    2 ** 63,
  ],
  ...[2 ** 64, 1e308, -1e308, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
);

function detached(): Uint16Array {
  const array = half();
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

/** A view that lost its end, or all of it, when its buffer shrank. */
function shrunk(bytes: number): Uint16Array {
  const buffer = new ResizableBuffer(128, { maxByteLength: 256 });
  const array = new Uint16Array(buffer, 0, bytes === 128 ? undefined : 64);
  buffer.resize(bytes);
  return array;
}

/** Arrays that lie about themselves, where code asks them instead of the engine. */
function lying(): Uint16Array {
  const array = half();
  const boom = () => {
    throw new Error("a getter that throws");
  };
  for (const name of ["length", "buffer", "byteOffset", "byteLength", "constructor"]) {
    Object.defineProperty(array, name, { get: boom });
  }
  return array;
}

const throwing = new Proxy(half(), {
  get: () => {
    throw new Error("a trap that throws");
  },
});

// Node 20 has it; the types of this project's target do not.
interface Resizable extends ArrayBuffer {
  resize(bytes: number): void;
}
const ResizableBuffer = ArrayBuffer as unknown as new (
  bytes: number,
  options: { maxByteLength: number },
) => Resizable;

const shared = half();
const badArgument = fc.oneof(
  fc.constantFrom<() => unknown>(
    ...[
      () => undefined,
      () => null,
      () => true,
      () => 7,
      () => "q",
      () => 7n,
      () => Symbol("q"),
      () => ({ length: 64 }),
    ],
    ...[
      () => [1, 2],
      () => () => 1,
      () => new ArrayBuffer(64),
      () => new DataView(new ArrayBuffer(64)),
      () => shared,
    ],
    ...[
      () => new Float64Array(64),
      () => new BigInt64Array(64),
      () => new Uint16Array(0),
      () => new Float32Array(3),
    ],
    ...[detached, () => new Uint16Array(new SharedArrayBuffer(128)), () => shared.subarray(1), half, whole],
    ...[() => Int32Array.of(-1, 2 ** 31 - 1, 0), () => new Proxy(half(), {}), () => new Uint8Array(64)],
    ...[() => shrunk(128), () => shrunk(64), () => shrunk(0), () => shrunk(2), lying, () => throwing],
    ...[
      () => new Float32Array(new SharedArrayBuffer(256)),
      () => Object.create(half()),
      () => Object.freeze([half()]),
    ],
    ...[() => Buffer.alloc(128), () => Buffer.from("q"), () => new (class extends Uint16Array {})(64)],
  ),
);

describe.skipIf(missing !== "")(`the ops of the addon${missing}`, () => {
  const { binding } = loadBinding() as { binding: BindingModule };

  it.each(Object.keys(valid) as Method[])("%s takes its valid call", (name) => {
    const { params, args } = valid[name]!();
    expect(() => call(binding, name, Float64Array.from(params), args)).not.toThrow();
  });

  it.each(Object.keys(valid) as Method[])("%s survives any spoilt call", { timeout: fuzzTimeout }, (name) => {
    const count = valid[name]!().params.length;
    const numbers = fc.array(fc.tuple(fc.nat(count - 1), badNumber), { maxLength: 3 });
    const others = fc.array(fc.tuple(fc.nat(17), badArgument), { maxLength: 2 });
    const spoilt = fc.tuple(numbers, others, fc.integer({ min: -2, max: 2 }));
    fuzz(`${name} of the addon`, 1500, spoilt, ([spoiltNumbers, spoiltArgs, longer]) => {
      const { params, args } = valid[name]!();
      for (const [at, value] of spoiltNumbers) params[at] = value;
      for (const [at, make] of spoiltArgs) args[at % args.length] = make();
      const wrongLength = longer === 2 ? [...params, 0] : longer === -2 ? params.slice(1) : params;
      expectSurvival(() => call(binding, name, Float64Array.from(wrongLength), args));
    });
  });

  it("every function survives arguments of any kind and number", { timeout: fuzzTimeout }, () => {
    // The functions of CUDA have a driver of their own to be called with (cuda-garbage.test.ts).
    const own = (name: string) => name !== "abi" && !/^(cuda|nvrtc|loadLibrary|isLibrary)/.test(name);
    const names = Object.keys(binding).filter(own) as Method[];
    const anyCall = fc.tuple(fc.constantFrom(...names), fc.array(badArgument, { maxLength: 22 }));
    fuzz("every op of the addon", 2000, anyCall, ([name, makers]) => {
      const args = makers.map((make) => make());
      expectSurvival(() => (binding[name] as (...args: unknown[]) => unknown)(...args));
    });
  });
});

function call(binding: BindingModule, name: Method, params: Float64Array, args: unknown[]): unknown {
  return (binding[name] as (...args: unknown[]) => unknown)(params, ...args);
}

function expectSurvival(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    expect(codes, String(error)).toContain((error as { code?: string }).code);
  }
}
