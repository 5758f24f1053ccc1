import { decodeBf16, decodeF16, roundTo } from "@qknorm/core";
import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { add, convert, copyRows, gatherRows, setThreadCount, siluMul } from "../src/index.ts";
import { anyDtype, anyRounding, codeOf, Guarded, gauss } from "./ops-case.ts";
import { allocate, bitsOf, dtypes, isas, missing, randomFrom, read, write } from "./qk-norm-case.ts";

const anyWidth = fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(1000, 20_000));

function expectSameValue(actual: number, wanted: number, where: string): void {
  if (!Object.is(actual, wanted)) expect.fail(`${where}: ${actual} instead of ${wanted}`);
}

afterEach(() => setThreadCount(0));

describe.skipIf(missing !== "")(`elementwise ops${missing}`, () => {
  it("siluMul agrees with f64 in both roundings, and writes only out", () => {
    fc.assert(
      fc.property(fc.nat(), anyDtype, anyRounding, fc.integer({ min: 1, max: 3 }), anyWidth, (...choice) => {
        const [seed, dtype, rounding, rows, width] = choice;
        const value = gauss(seed);
        const gateUp = new Guarded(dtype, rows, 1, 2 * width, () => value() * 6).remember();
        const between = (r: number, i: number): [low: number, high: number] => {
          const [gate, up] = [gateUp.get(r, 0, i), gateUp.get(r, 0, width + i)];
          const silu = gate / (1 + Math.exp(-gate));
          const slack = Math.abs(silu) * 4e-7;
          const exact = Math.abs(up) * slack;
          const round = (value: number) => roundTo(dtype, value);
          if (rounding === "once") return [round(silu * up - exact), round(silu * up + exact)];
          const ends = [-slack, slack].map((error) => round(Math.fround(round(silu + error) * up)));
          const more = dtype === "f32" ? exact : 0;
          return [Math.min(...ends) - more, Math.max(...ends) + more];
        };
        const wanted = Array.from({ length: rows * width }, (_, n) =>
          between(Math.floor(n / width), n % width),
        );
        for (const isa of isas) {
          const out = new Guarded(dtype, rows, 1, width, value).remember();
          siluMul({ dtype, rows, width, gateUp, out, rounding, isa });
          wanted.forEach(([low, high], n) => {
            const actual = out.get(Math.floor(n / width), 0, n % width);
            if (!(actual >= low && actual <= high))
              expect.fail(`${isa} ${n}: ${actual} not in ${low} to ${high}`);
          });
          out.expectUntouched(width);
        }
        gateUp.expectUntouched();
      }),
      { numRuns: 60 },
    );
  });

  it("siluMul is right at the ends: far below, far above, zero, infinity, NaN", () => {
    const gates = [-1000, -104, -90, -20, -0, 0, 20, 90, 1000, Number.POSITIVE_INFINITY, Number.NaN];
    const gateUp = Float32Array.from([...gates, ...gates.map(() => 1)]);
    for (const isa of isas) {
      const out = new Float32Array(gates.length);
      const width = gates.length;
      const view = (data: Float32Array) => ({ data, offset: 0, rowStride: 0 });
      siluMul({ dtype: "f32", rows: 1, width, gateUp: view(gateUp), out: view(out), rounding: "once", isa });
      for (const [i, gate] of gates.entries()) {
        const wanted = gate / (1 + Math.exp(-gate));
        if (!Number.isFinite(wanted)) expect(out[i]).toBe(wanted);
        else
          expect(Math.abs(out[i]! - wanted), `${isa} ${gate}`).toBeLessThanOrEqual(
            Math.abs(wanted) * 4e-7 + 1e-42,
          );
      }
      expect(Object.is(out[4], -0), isa).toBe(true);
    }
  });

  it("add rounds the f32 sum once, apart or in place, the same on every instruction set", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        anyDtype,
        anyWidth,
        fc.constantFrom("apart", "a", "b"),
        (seed, dtype, count, place) => {
          const value = gauss(seed);
          for (const isa of isas) {
            const a = new Guarded(dtype, 1, 1, count, value);
            const b = new Guarded(dtype, 1, 1, count, () => value() * 40);
            const out = place === "a" ? a : place === "b" ? b : new Guarded(dtype, 1, 1, count, value);
            const wanted = Array.from({ length: count }, (_, i) =>
              roundTo(dtype, Math.fround(a.get(0, 0, i) + b.get(0, 0, i))),
            );
            out.remember();
            add({ dtype, count, a, b, out, isa });
            for (let i = 0; i < count; i++) expectSameValue(out.get(0, 0, i), wanted[i]!, `${isa} ${i}`);
            out.expectUntouched(count);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("convert is exact from bf16 and f16 for all patterns, and back", () => {
    const patterns = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    for (const isa of isas) {
      for (const dtype of ["bf16", "f16"] as const) {
        const wide = new Float32Array(65_536);
        const back = new Uint16Array(65_536);
        const narrow = { data: patterns, dtype, offset: 0 };
        convert({ count: 65_536, from: narrow, to: { data: wide, dtype: "f32", offset: 0 }, isa });
        convert({
          count: 65_536,
          from: { data: wide, dtype: "f32", offset: 0 },
          to: { ...narrow, data: back },
          isa,
        });
        for (let i = 0; i < 65_536; i++) {
          const wanted = dtype === "bf16" ? decodeBf16(i) : decodeF16(i);
          expectSameValue(wide[i]!, wanted, `${isa} ${dtype} ${i}`);
          if (Number.isNaN(wanted)) expectSameValue(read(dtype, back, i), Number.NaN, `${isa} ${dtype} ${i}`);
          else expectSameValue(back[i]!, i, `${isa} ${dtype} ${i}`);
        }
      }
    }
  });

  it("convert rounds any f32 to nearest, ties to even, and keeps NaN quiet", () => {
    const random = randomFrom(3);
    const bits = new Uint32Array(200_000);
    for (let i = 0; i < bits.length; i++) {
      const any = Math.floor(random() * 2 ** 32);
      // Now and then a tie, or a NaN whose payload would be lost.
      bits[i] = i % 4 === 0 ? (any & 0xffff0000) | 0x8000 : i % 4 === 1 ? (any & 0xffffe000) | 0x1000 : any;
      if (i % 97 === 0) bits[i] = 0x7f800001 | (any & 0x80000000);
    }
    const from = { data: new Float32Array(bits.buffer), dtype: "f32" as const, offset: 0 };
    for (const dtype of ["bf16", "f16"] as const) {
      const wanted = new Uint16Array(bits.length);
      for (let i = 0; i < bits.length; i++) write(dtype, wanted, i, from.data[i]!);
      for (const isa of isas) {
        const data = new Uint16Array(bits.length);
        convert({ count: bits.length, from, to: { data, dtype, offset: 0 }, isa });
        for (let i = 0; i < bits.length; i++) {
          if (Number.isNaN(from.data[i])) {
            const quiet = dtype === "bf16" ? 0x7fc0 : 0x7e00;
            expectSameValue(data[i]! & quiet, quiet, `${isa} ${dtype} NaN`);
          } else {
            expectSameValue(data[i]!, wanted[i]!, `${isa} ${dtype} ${from.data[i]}`);
          }
        }
      }
    }
  });

  it("gatherRows takes the rows that ids name, in any dtype", () => {
    fc.assert(
      fc.property(fc.nat(), anyDtype, anyDtype, anyWidth, (seed, tableDtype, outDtype, width) => {
        const value = gauss(seed);
        const table = new Guarded(tableDtype, 5, 1, width, value);
        const ids = Int32Array.from([9, 4, 0, 4, 2]);
        for (const isa of isas) {
          const out = new Guarded(outDtype, 4, 1, width, value).remember();
          gatherRows({ rows: 4, width, table, tableRows: 5, ids, idsOffset: 1, out, isa });
          for (let r = 0; r < 4; r++) {
            for (let i = 0; i < width; i++) {
              expectSameValue(
                out.get(r, 0, i),
                roundTo(outDtype, table.get(ids[r + 1]!, 0, i)),
                `${isa} ${r} ${i}`,
              );
            }
          }
          out.expectUntouched(width);
        }
      }),
      { numRuns: 40 },
    );
  });

  it("copyRows copies bits, NaN payloads too, and nothing between the rows", () => {
    for (const dtype of dtypes) {
      const from = new Guarded(dtype, 200, 1, 33, gauss(4));
      bitsOf(from.data)[from.at(7, 0, 3)] = dtype === "f32" ? 0x7f800001 : 0x7f81;
      const to = new Guarded(dtype, 200, 1, 33, gauss(5), 1).remember();
      copyRows({ dtype, rows: 200, width: 33, from, to });
      expect(to.allBits()).toEqual(from.allBits());
      to.expectUntouched(33);
    }
  });

  it("does nothing for empty sizes", () => {
    const data = new Float32Array(4).fill(7);
    const view = { data, dtype: "f32" as const, offset: 0, rowStride: 0 };
    const other = { ...view, data: new Float32Array(4) };
    siluMul({ dtype: "f32", rows: 0, width: 1, gateUp: other, out: view, rounding: "once" });
    siluMul({ dtype: "f32", rows: 1e15, width: 0, gateUp: other, out: view, rounding: "once" });
    add({ dtype: "f32", count: 0, a: other, b: other, out: view });
    convert({ count: 0, from: other, to: view });
    gatherRows({ rows: 0, width: 1, table: other, tableRows: 1, ids: new Int32Array(0), out: view });
    copyRows({ dtype: "f32", rows: 1e15, width: 0, from: other, to: view });
    expect([...data]).toEqual([7, 7, 7, 7]);
  });

  it("refuses what does not fit, by code, and writes nothing", () => {
    const data = allocate("bf16", 40);
    const view = (offset: number, rowStride = 4) => ({ data, dtype: "bf16" as const, offset, rowStride });
    const other = { ...view(0), data: allocate("bf16", 40) };
    const silu = {
      dtype: "bf16",
      rows: 2,
      width: 4,
      gateUp: { ...other, rowStride: 8 },
      out: view(0),
      rounding: "hf",
    } as const;
    const codes = {
      siluShort: codeOf(() => siluMul({ ...silu, rows: 11 })),
      siluWide: codeOf(() => siluMul({ ...silu, width: 2 ** 53 - 1 })),
      siluOverlap: codeOf(() => siluMul({ ...silu, gateUp: view(4, 8) })),
      addPartly: codeOf(() => add({ dtype: "bf16", count: 8, a: view(0), b: other, out: view(1) })),
      addPartlyB: codeOf(() => add({ dtype: "bf16", count: 8, a: other, b: view(1), out: view(0) })),
      addLong: codeOf(() => add({ dtype: "bf16", count: 41, a: other, b: other, out: view(0) })),
      convertOverlap: codeOf(() => convert({ count: 8, from: view(0), to: { ...view(0), dtype: "f16" } })),
      convertDtype: codeOf(() => convert({ count: 8, from: other, to: { ...view(0), dtype: "f32" } })),
      gatherId: codeOf(() =>
        gatherRows({ rows: 1, width: 4, table: other, tableRows: 3, ids: new Int32Array([3]), out: view(0) }),
      ),
      gatherIds: codeOf(() =>
        gatherRows({ rows: 2, width: 4, table: other, tableRows: 3, ids: new Int32Array([1]), out: view(0) }),
      ),
      copySelf: codeOf(() => copyRows({ dtype: "bf16", rows: 3, width: 4, from: other, to: view(0, 3) })),
    };
    expect(codes).toEqual({
      siluShort: "ERR_QKNORM_LAYOUT",
      siluWide: "ERR_QKNORM_ARGUMENT",
      siluOverlap: "ERR_QKNORM_OVERLAP",
      addPartly: "ERR_QKNORM_OVERLAP",
      addPartlyB: "ERR_QKNORM_OVERLAP",
      addLong: "ERR_QKNORM_LAYOUT",
      convertOverlap: "ERR_QKNORM_OVERLAP",
      convertDtype: "ERR_QKNORM_DTYPE",
      gatherId: "ERR_QKNORM_ARGUMENT",
      gatherIds: "ERR_QKNORM_LAYOUT",
      copySelf: "ERR_QKNORM_LAYOUT",
    });
    expect(data.every((x) => x === 0)).toBe(true);
  });
});
