import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { mul, pointwise, setThreadCount, xielu } from "../src/index.ts";
import { pointwiseNumbers } from "../src/numbers.ts";
import { anyDtype, codeOf, Guarded, gauss } from "./ops-case.ts";
import { isas, missing } from "./qk-norm-case.ts";

const kinds = Object.keys(pointwiseNumbers) as (keyof typeof pointwiseNumbers)[];
const anyWidth = fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(1000, 20_000));

afterEach(() => setThreadCount(0));

describe.skipIf(missing !== "")(`functions of single numbers${missing}`, () => {
  it("have the same bits on every instruction set, for any number of threads, apart or in place", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        anyDtype,
        anyWidth,
        fc.constantFrom(...kinds, "xielu" as const, "mul" as const),
        fc.boolean(),
        (seed, dtype, count, kind, inPlace) => {
          const results = isas.flatMap((isa) =>
            [1, 3].map((threads) => {
              setThreadCount(threads);
              const value = gauss(seed);
              const x = new Guarded(dtype, 1, 1, count, () => value() * 4);
              const y = new Guarded(dtype, 1, 1, count, value);
              const out = inPlace ? x : new Guarded(dtype, 1, 1, count, value);
              out.remember();
              const call = { dtype, count, x, out, isa };
              if (kind === "mul") mul({ dtype, count, a: x, b: y, out, isa });
              else if (kind === "xielu") xielu({ ...call, alphaP: 0.8, alphaN: 0.7, beta: 0.5, eps: -1e-6 });
              else pointwise({ ...call, kind, number: 3 });
              out.expectUntouched(count);
              return Array.from({ length: count }, (_, i) => out.get(0, 0, i));
            }),
          );
          for (const result of results) expect(result).toEqual(results[0]);
        },
      ),
      { numRuns: 80 },
    );
  });

  it("refuse what they cannot do, before anything is written", () => {
    const view = (length: number) => ({ data: new Float32Array(length), offset: 0 });
    const [x, out] = [view(4), view(4)];
    const call = { dtype: "f32", count: 4, x, out, kind: "silu" } as const;
    const part = { data: x.data.subarray(1), offset: 0 };
    expect(codeOf(() => pointwise({ ...call, kind: "swish" as never }))).toBe("ERR_QKNORM_ARGUMENT");
    expect(codeOf(() => pointwise({ ...call, dtype: "f64" as never }))).toBe("ERR_QKNORM_DTYPE");
    expect(codeOf(() => pointwise({ ...call, count: 5 }))).toBe("ERR_QKNORM_LAYOUT");
    expect(codeOf(() => pointwise({ ...call, number: Number.NaN, kind: "scale" }))).toBe(
      "ERR_QKNORM_ARGUMENT",
    );
    expect(codeOf(() => pointwise({ ...call, count: 3, out: part }))).toBe("ERR_QKNORM_OVERLAP");
    expect(codeOf(() => xielu({ ...call, alphaP: 1, alphaN: 1, beta: Number.NaN, eps: 0 }))).toBe(
      "ERR_QKNORM_ARGUMENT",
    );
    expect(codeOf(() => mul({ dtype: "f32", count: 4, a: x, b: out, out: view(3) }))).toBe(
      "ERR_QKNORM_LAYOUT",
    );
    expect([...out.data]).toEqual([0, 0, 0, 0]);
  });
});
