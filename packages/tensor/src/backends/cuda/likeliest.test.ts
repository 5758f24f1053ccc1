import { describe, expect, test } from "vitest";
import { expectCleanDevices, missing } from "../../../test/stand-in.ts";
import { type Device, likeliest, Tensor, tidy } from "../../index.ts";

/** Ids, positions and log after a step over rows of logits, of texts that stand at 0, 1 and 2 of three places. */
function after(device: Device, rows: readonly (readonly number[])[], dtype: "f32" | "bf16"): number[][] {
  return tidy(() => {
    const made = (values: readonly number[], shape: readonly number[]) =>
      Tensor.from(values, shape, "i32", device);
    const texts = {
      ids: made([7, 7, 7], [3]),
      positions: made([0, 1, 2], [3]),
      log: made(new Array(9).fill(5), [3, 3]),
    };
    likeliest(Tensor.from(rows.flat(), [3, rows[0]!.length], dtype, device), texts);
    return Object.values(texts).map((x) => [...x.toNumbers()]);
  });
}

describe.skipIf(missing !== "")(`the likeliest token, on a stand-in driver${missing}`, () => {
  expectCleanDevices();

  test("is fed back, written down where it stands, and the last place is never passed", () => {
    const rows = [
      [1, 3, 3, -2],
      [-5, -4, -9, -4],
      [-0, 0, -1, Number.NEGATIVE_INFINITY],
    ];
    const expected = [
      [1, 1, 0],
      [1, 2, 2],
      [1, 5, 5, 5, 1, 5, 5, 5, 0],
    ];
    for (const dtype of ["f32", "bf16"] as const) {
      expect(after("cuda:0", rows, dtype)).toEqual(expected);
      expect(after("cpu", rows, dtype)).toEqual(expected);
    }
  });

  test("of a row without a finite largest is -1 in the log, and a token of the embedding in ids", () => {
    const infinite = Number.NEGATIVE_INFINITY;
    const rows = [
      [1, Number.NaN, 3],
      [1, Number.POSITIVE_INFINITY, 3],
      [infinite, infinite, infinite],
    ];
    const expected = [
      [0, 0, 0],
      [1, 2, 2],
      [-1, 5, 5, 5, -1, 5, 5, 5, -1],
    ];
    expect(after("cuda:0", rows, "f32")).toEqual(expected);
    expect(after("cpu", rows, "f32")).toEqual(expected);
  });

  test("is found in whatever part of a long row it is", () => {
    const width = 9000;
    for (const at of [0, 255, 2047, 2048, 4500, width - 1]) {
      const row = Array.from({ length: width }, (_, i) => (i === at ? 2 : Math.sin(i)));
      expect(after("cuda:0", [row, row, row], "f32")[0]).toEqual([at, at, at]);
    }
  });
});
