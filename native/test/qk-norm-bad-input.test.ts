import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadBinding, type NativeArray, type NormSide, type QkNormCall, qkNorm } from "../src/index.ts";
import { filled, missing, plainSide, randomFrom } from "./qk-norm-case.ts";

const D = 16;
const H = 2;

type AnyCall = { -readonly [K in keyof QkNormCall]: unknown };
type AnySide = Partial<Record<keyof NormSide, unknown>>;

describe.skipIf(missing)(`a bad argument to qkNorm${missing}`, () => {
  const sideCases: [string, string, AnySide][] = [
    ["an input of another dtype", "ERR_QKNORM_DTYPE", { input: new Uint16Array(64) }],
    ["an output of another dtype", "ERR_QKNORM_DTYPE", { output: new Float64Array(64) }],
    ["a signed 16-bit input", "ERR_QKNORM_DTYPE", { input: new Int16Array(64) }],
    [
      "an input that is no typed array",
      "ERR_QKNORM_ARGUMENT",
      { input: Array.from({ length: 64 }, () => 1) },
    ],
    ["an input that is a DataView", "ERR_QKNORM_ARGUMENT", { input: new DataView(new ArrayBuffer(256)) }],
    ["no output", "ERR_QKNORM_ARGUMENT", { output: undefined }],
    ["a detached input", "ERR_QKNORM_LAYOUT", { input: detached(64) }],
    ["a detached output", "ERR_QKNORM_LAYOUT", { output: detached(64) }],
    ["a detached weight", "ERR_QKNORM_LAYOUT", { weight: detached(D) }],
    ["an input whose buffer has shrunk", "ERR_QKNORM_LAYOUT", { input: shrunk(64) }],
    ["an input that is one element short", "ERR_QKNORM_LAYOUT", { input: new Float32Array(2 * H * D - 1) }],
    ["an output that is one element short", "ERR_QKNORM_LAYOUT", { output: new Float32Array(2 * H * D - 1) }],
    ["an offset past the end", "ERR_QKNORM_LAYOUT", { inputOffset: 1 }],
    ["an offset of 2^53 - 1", "ERR_QKNORM_LAYOUT", { inputOffset: Number.MAX_SAFE_INTEGER }],
    ["a token stride of 2^53 - 1", "ERR_QKNORM_LAYOUT", { inputTokenStride: Number.MAX_SAFE_INTEGER }],
    [
      "a head stride that only fits modulo 2^64",
      "ERR_QKNORM_LAYOUT",
      { heads: 2 ** 32 + 1, inputHeadStride: 2 ** 32 },
    ],
    ["2^53 - 1 heads", "ERR_QKNORM_LAYOUT", { heads: Number.MAX_SAFE_INTEGER }],
    [
      "heads of stride 0",
      "ERR_QKNORM_OVERLAP",
      { heads: Number.MAX_SAFE_INTEGER, inputHeadStride: 0, outputHeadStride: 0 },
    ],
    ["a weight that is too short", "ERR_QKNORM_SHAPE", { weight: new Float32Array(D - 1) }],
    ["a weight that is too long", "ERR_QKNORM_SHAPE", { weight: new Float32Array(D + 1) }],
    ["an empty weight", "ERR_QKNORM_SHAPE", { weight: new Float32Array(0) }],
    [
      "a [D] weight announced as [H, D]",
      "ERR_QKNORM_SHAPE",
      { weight: new Float32Array(D), weightHeadStride: D },
    ],
    ["an [H, D] weight announced as [D]", "ERR_QKNORM_SHAPE", { weight: new Float32Array(H * D) }],
    [
      "a weight of another head stride",
      "ERR_QKNORM_SHAPE",
      { weight: new Float32Array(H * D), weightHeadStride: D / 2 },
    ],
    ["a weight of another dtype", "ERR_QKNORM_DTYPE", { weight: new Uint16Array(D) }],
    ["a weight that is an object", "ERR_QKNORM_ARGUMENT", { weight: {} }],
    ["a bias that is too short", "ERR_QKNORM_SHAPE", { bias: new Float32Array(D - 1) }],
    ["a bias of another dtype", "ERR_QKNORM_DTYPE", { bias: new Float32Array(D), biasDtype: "bf16" }],
    ["an unknown weight dtype", "ERR_QKNORM_DTYPE", { weightDtype: "f64" }],
    ["an unknown bias dtype", "ERR_QKNORM_DTYPE", { biasDtype: "toString" }],
    ["an unknown kind", "ERR_QKNORM_ARGUMENT", { kind: "batch" }],
    ["an unknown axis", "ERR_QKNORM_ARGUMENT", { axis: "column" }],
    ["a [D] weight of a row across heads", "ERR_QKNORM_SHAPE", { axis: "row", weight: new Float32Array(D) }],
    [
      "an [H, D] weight of a row across heads",
      "ERR_QKNORM_SHAPE",
      { axis: "row", weight: new Float32Array(H * D), weightHeadStride: D },
    ],
    ["gaps between the heads of a row", "ERR_QKNORM_LAYOUT", { axis: "row", inputHeadStride: D + 1 }],
    [
      "gaps between the heads of a row that is written",
      "ERR_QKNORM_LAYOUT",
      { axis: "row", outputHeadStride: 2 * D },
    ],
    ["a row across 2^53 - 1 heads", "ERR_QKNORM_LAYOUT", { axis: "row", heads: Number.MAX_SAFE_INTEGER }],
    ["an unknown rounding", "ERR_QKNORM_ARGUMENT", { rounding: "never" }],
    ["a weight offset of 2", "ERR_QKNORM_ARGUMENT", { weightOffset: 2 }],
    ["a weight offset of 0.5", "ERR_QKNORM_ARGUMENT", { weightOffset: 0.5 }],
    ["a negative eps", "ERR_QKNORM_ARGUMENT", { eps: -1e-6 }],
    ["an eps of NaN", "ERR_QKNORM_ARGUMENT", { eps: Number.NaN }],
    ["an infinite eps", "ERR_QKNORM_ARGUMENT", { eps: Number.POSITIVE_INFINITY }],
    ["an eps that is a string", "ERR_QKNORM_ARGUMENT", { eps: "1e-6" }],
  ];
  const counts = [
    "inputOffset",
    "inputTokenStride",
    "inputHeadStride",
    "outputOffset",
    "outputTokenStride",
    "outputHeadStride",
    "heads",
    "weightHeadStride",
    "biasHeadStride",
  ] as const;
  const noCounts = [
    Number.NaN,
    -1,
    0.5,
    1e300,
    Number.POSITIVE_INFINITY,
    2 ** 53,
    "1",
    null,
    undefined,
    1n,
    {},
    Symbol.iterator,
  ];
  for (const field of counts)
    for (const value of noCounts)
      sideCases.push([`${field} ${String(value)}`, "ERR_QKNORM_ARGUMENT", { [field]: value }]);

  it.each(sideCases)("is refused before anything is written: %s", (_, code, change) => {
    for (const place of ["alone", "as q", "as k"] as const) {
      const q = plainSide(random(2 * H * D), H, D);
      const k = plainSide(random(2 * H * D), H, D);
      const arrays = [q.input, k.input];
      const bad = { ...(place === "as q" ? q : k), ...change };
      const sides = place === "alone" ? [bad] : place === "as q" ? [bad, k] : [q, bad];
      expectRefused({ dtype: "f32", headDim: D, tokens: 2, sides }, code, arrays);
    }
  });

  const callCases: [string, string, Partial<AnyCall>][] = [
    ["an unknown dtype", "ERR_QKNORM_DTYPE", { dtype: "f64" }],
    ["no dtype", "ERR_QKNORM_DTYPE", { dtype: undefined }],
    ["a head dim of 0", "ERR_QKNORM_ARGUMENT", { headDim: 0 }],
    ["a head dim of NaN", "ERR_QKNORM_ARGUMENT", { headDim: Number.NaN }],
    ["a fractional head dim", "ERR_QKNORM_ARGUMENT", { headDim: 16.5 }],
    ["a head dim larger than the array", "ERR_QKNORM_LAYOUT", { headDim: 2 ** 40 }],
    ["tokens of -1", "ERR_QKNORM_ARGUMENT", { tokens: -1 }],
    ["tokens that are a string", "ERR_QKNORM_ARGUMENT", { tokens: "2" }],
    ["more tokens than the array holds", "ERR_QKNORM_LAYOUT", { tokens: 3 }],
    ["2^53 - 1 tokens", "ERR_QKNORM_LAYOUT", { tokens: Number.MAX_SAFE_INTEGER }],
    ["no sides", "ERR_QKNORM_ARGUMENT", { sides: [] }],
    ["three sides", "ERR_QKNORM_ARGUMENT", { sides: [{}, {}, {}] }],
    ["sides that are no array", "ERR_QKNORM_ARGUMENT", { sides: undefined }],
    ["a side that is null", "ERR_QKNORM_ARGUMENT", { sides: [null] }],
    ["an unknown instruction set", "ERR_QKNORM_ARGUMENT", { isa: "avx1024" }],
    ["an instruction set that is a number", "ERR_QKNORM_ARGUMENT", { isa: 1 }],
  ];
  it.each(callCases)("is refused before anything is written: %s", (_, code, change) => {
    const side = plainSide(random(2 * H * D), H, D);
    expectRefused({ dtype: "f32", headDim: D, tokens: 2, sides: [side], ...change }, code, [side.input]);
  });

  it("names the side, the numbers and the instruction sets in its message", () => {
    const q = plainSide(random(2 * H * D), H, D);
    const k = { ...plainSide(random(2 * H * D), H, D), weight: new Float32Array(5) };
    const call = { dtype: "f32", headDim: D, tokens: 2 } as const;
    expect(() => qkNorm({ ...call, sides: [q, k] })).toThrow(/k\.weight has 5 elements.*D = 16/);
    expect(() => qkNorm({ ...call, sides: [{ ...q, inputOffset: 3 }] })).toThrow(
      /x\.input: 2 tokens of 2 heads of 16 from offset 3/,
    );
    expect(() => qkNorm({ ...call, sides: [q], isa: "neon" as never })).toThrow(/"neon".*available: scalar/);
  });

  describe("to the addon itself", () => {
    const binding = loadBinding().binding as unknown as Record<
      string,
      (...args: unknown[]) => unknown
    > | null;
    const functions = ["qkNorm", "copyBytes", "preferHugePages", "cpuIsa", "availableIsas", "isaNumber"];

    it("is an error with a code in every position, from every function", () => {
      const outcomes = { errors: 0, calls: 0 };
      fc.assert(
        fc.property(fc.constantFrom(...functions), fc.array(garbage, { maxLength: 12 }), (name, args) => {
          attempt(() => binding![name]!(...args), outcomes);
        }),
        { seed: 7, numRuns: 5000 },
      );
      expect(outcomes.errors).toBeGreaterThan(2000);
    });

    // Garbage all over fails at the first argument; one broken piece of a good call reaches the later checks.
    it("is an error with a code, or a sane call, when one piece of a good call is broken", () => {
      const outcomes = { errors: 0, calls: 0 };
      fc.assert(
        fc.property(
          fc.nat(36),
          fc.nat(9),
          garbage,
          wildNumber,
          fc.boolean(),
          (field, position, value, number, inParams) => {
            const params = Float64Array.of(
              ...[0, D, 2, 2, -1],
              ...[0, H * D, D, 0, H * D, D, H, 0, 0, 0, D, 1e-6, 0, 0, 0, 0],
              ...[0, H * D, D, 0, H * D, D, H, 0, 0, 0, 0, 1e-6, 1, 1, 1, 1],
            );
            const q = random(2 * H * D);
            const k = random(2 * H * D);
            const args: unknown[] = [
              params,
              q,
              q,
              random(D),
              random(H * D),
              k,
              k,
              random(H * D),
              random(H * D),
            ];
            if (inParams) params[field] = number;
            else args[position] = value;
            attempt(() => binding!.qkNorm!(...args), outcomes);
          },
        ),
        { seed: 8, numRuns: 5000 },
      );
      expect(outcomes.errors).toBeGreaterThan(2000);
      expect(outcomes.calls).toBeGreaterThan(200);
    });

    it("does not make copyBytes write past an end, or over its source", () => {
      const bytes = new Uint8Array(64);
      expect(() => binding!.copyBytes!(bytes, new Uint8Array(65))).toThrow(
        expect.objectContaining({ code: "ERR_QKNORM_SHAPE" }),
      );
      expect(() => binding!.copyBytes!(bytes.subarray(0, 40), bytes.subarray(20, 60))).toThrow(
        expect.objectContaining({ code: "ERR_QKNORM_OVERLAP" }),
      );
      const source = Uint8Array.from({ length: 64 }, (_, i) => i);
      binding!.copyBytes!(bytes, source);
      expect(bytes).toEqual(source);
    });
  });
});

const wildNumber = fc.oneof(
  fc.double(),
  fc.integer({ min: -2, max: 70 }),
  fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 53, 2 ** 62, 2 ** 63, 2 ** 64, -0, Number.MAX_VALUE),
);

const garbage = fc.oneof(
  fc.anything(),
  wildNumber,
  fc.constantFrom("scalar", "avx2", Symbol("s"), 10n, () => {}, new Proxy({}, {}), new Date(Number.NaN), /x/),
  fc.nat(80).map((n) => new Float32Array(n)),
  fc.nat(80).map((n) => new Uint16Array(n)),
  fc.nat(80).map((n) => new Uint8Array(n)),
  fc.array(wildNumber, { maxLength: 40 }).map((numbers) => Float64Array.from(numbers)),
  fc.nat(8).map((n) => new BigInt64Array(n)),
  fc.nat(80).map((n) => new DataView(new ArrayBuffer(n))),
  fc.nat(80).map((n) => detached(n)),
  fc.nat(80).map((n) => new Float32Array(new SharedArrayBuffer(4 * n))),
);

function attempt(run: () => unknown, outcomes: { errors: number; calls: number }): void {
  try {
    run();
    outcomes.calls++;
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    expect((error as { code?: unknown }).code).toMatch(/^ERR_QKNORM_(SHAPE|DTYPE|LAYOUT|OVERLAP|ARGUMENT)$/);
    outcomes.errors++;
  }
}

function expectRefused(call: AnyCall, code: string, arrays: readonly NativeArray[]): void {
  const before = arrays.map((array) => array.slice());
  expect(() => qkNorm(call as unknown as QkNormCall)).toThrow(expect.objectContaining({ code }));
  expect(arrays).toEqual(before);
}

function random(length: number): NativeArray {
  const next = randomFrom(length);
  return filled("f32", length, () => next() - 0.5);
}

function detached(length: number): Float32Array {
  const array = new Float32Array(length);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

// The types of ES2023 do not know resizable buffers; Node 20 does.
function shrunk(length: number): Float32Array {
  const Resizable = ArrayBuffer as unknown as new (
    length: number,
    options: { maxByteLength: number },
  ) => ArrayBuffer & { resize(length: number): void };
  const buffer = new Resizable(4 * length, { maxByteLength: 4 * length });
  const array = new Float32Array(buffer);
  buffer.resize(8);
  return array;
}
