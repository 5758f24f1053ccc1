import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeBf16, decodeF16, encodeBf16, encodeF16, type FloatDtype, roundTo } from "./float-format.ts";

const formats = {
  // One past the largest finite value: where rounding to nearest takes the step to infinity from.
  bf16: { decode: decodeBf16, encode: encodeBf16, infinity: 0x7f80, beyond: 2 ** 128, nan: 0x7fc0 },
  f16: { decode: decodeF16, encode: encodeF16, infinity: 0x7c00, beyond: 2 ** 16, nan: 0x7e00 },
} as const;

const view = new DataView(new ArrayBuffer(8));

function decodedBySpecification(name: "bf16" | "f16", pattern: number): number {
  if (name === "bf16") {
    view.setUint16(0, pattern);
    view.setUint16(2, 0);
    return view.getFloat32(0);
  }
  const sign = pattern >= 0x8000 ? -1 : 1;
  const exponent = BigInt((pattern >> 10) & 31);
  const fraction = BigInt(pattern & 1023);
  if (exponent === 31n) return fraction === 0n ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  const in2toMinus24 = exponent === 0n ? fraction : (1024n + fraction) << (exponent - 1n);
  return (sign * Number(in2toMinus24)) / 2 ** 24;
}

// The bracket around |value| among the format's own values, found by halving. Midpoints are exact in f64.
function nearestEven(name: "bf16" | "f16", value: number): number {
  const { decode, infinity, beyond } = formats[name];
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= beyond) return sign | infinity;
  const grid = (pattern: number): number => (pattern === infinity ? beyond : decode(pattern));
  let below = 0;
  let above: number = infinity;
  while (above - below > 1) {
    const middle = (below + above) >> 1;
    if (grid(middle) <= magnitude) below = middle;
    else above = middle;
  }
  const tie = (grid(below) + grid(above)) / 2;
  if (magnitude === tie) return sign | (below % 2 === 0 ? below : above);
  return sign | (magnitude < tie ? below : above);
}

function stepped(value: number, steps: number): number {
  view.setFloat64(0, value);
  view.setBigInt64(0, view.getBigInt64(0) + BigInt(steps));
  return view.getFloat64(0);
}

describe.each(["bf16", "f16"] as const)("%s", (name) => {
  const { decode, encode, infinity, nan } = formats[name];

  test("every one of the 65,536 patterns decodes to the value that the format defines", () => {
    const wrong: number[] = [];
    for (let pattern = 0; pattern < 0x10000; pattern++) {
      if (!Object.is(decode(pattern), decodedBySpecification(name, pattern))) wrong.push(pattern);
    }
    expect(wrong).toEqual([]);
  });

  test("every pattern survives decoding and encoding, and every NaN becomes the one quiet NaN", () => {
    const wrong: number[] = [];
    for (let pattern = 0; pattern < 0x10000; pattern++) {
      const expected = (pattern & 0x7fff) > infinity ? nan : pattern;
      if (encode(decode(pattern)) !== expected) wrong.push(pattern);
    }
    expect(wrong).toEqual([]);
  });

  test("every tie goes to the even neighbour, and one f64 step beside it to the nearer one", () => {
    const wrong: string[] = [];
    for (let pattern = 0; pattern < infinity; pattern++) {
      const above = pattern + 1 === infinity ? formats[name].beyond : decode(pattern + 1);
      const tie = (decode(pattern) + above) / 2;
      const even = pattern % 2 === 0 ? pattern : pattern + 1;
      for (const sign of [0, 0x8000]) {
        const factor = sign === 0 ? 1 : -1;
        if (encode(factor * tie) !== (sign | even)) wrong.push(`tie over ${pattern}`);
        if (encode(factor * stepped(tie, -1)) !== (sign | pattern))
          wrong.push(`below the tie over ${pattern}`);
        if (encode(factor * stepped(tie, 1)) !== (sign | (pattern + 1)))
          wrong.push(`above the tie over ${pattern}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("any f64 rounds to the nearest value in one step", () => {
    const nearTie = fc
      .tuple(fc.integer({ min: 0, max: infinity - 1 }), fc.integer({ min: -3, max: 3 }), fc.boolean())
      .map(([pattern, steps, up]) => {
        const tie =
          (decode(pattern) + (pattern + 1 === infinity ? formats[name].beyond : decode(pattern + 1))) / 2;
        // An f32 step is where rounding twice would go wrong: f64 to f32 lands on the tie itself.
        return up ? stepped(tie, steps) : tie * (1 + steps * 2 ** -26);
      });
    const any = fc.oneof(
      fc.double({ noNaN: true }),
      fc.float({ noNaN: true }),
      nearTie,
      nearTie.map((x) => -x),
    );
    fc.assert(
      fc.property(any, (value) => {
        expect(encode(value)).toBe(nearestEven(name, value));
      }),
      { numRuns: 20_000 },
    );
  });

  test("zeros keep their sign, infinities stay, and what is too small becomes a signed zero", () => {
    expect(encode(0)).toBe(0);
    expect(encode(-0)).toBe(0x8000);
    expect(encode(Number.POSITIVE_INFINITY)).toBe(infinity);
    expect(encode(Number.NEGATIVE_INFINITY)).toBe(0x8000 | infinity);
    expect(encode(1e39)).toBe(infinity);
    expect(encode(-Number.MAX_VALUE)).toBe(0x8000 | infinity);
    expect(encode(Number.MIN_VALUE)).toBe(0);
    expect(encode(-Number.MIN_VALUE)).toBe(0x8000);
    expect(encode(Number.NaN)).toBe(nan);
  });
});

test("a value just above a tie is not first rounded to f32 and then down", () => {
  const trap = 1 + 2 ** -8 + 2 ** -40; // f32 sees the bf16 tie exactly
  expect(Math.fround(trap)).toBe(1 + 2 ** -8);
  expect(roundTo("bf16", trap)).toBe(1 + 2 ** -7);
  expect(roundTo("f16", 1 + 2 ** -11 + 2 ** -40)).toBe(1 + 2 ** -10);
});

test("rounding to f32 is the machine's own", () => {
  fc.assert(
    fc.property(fc.double(), (value) => {
      expect(roundTo("f32", value)).toBe(Math.fround(value));
    }),
  );
});

test.each(["f64", "", null, undefined, Symbol("f32")])(
  "an unknown dtype %s is an error of the project",
  (dtype) => {
    expect(() => roundTo(dtype as FloatDtype, 1)).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_DTYPE" }),
    );
  },
);
