// Any finite factor on the scores: negative ones and 0 beside what masks keys, which is -infinity in the kernels.
import { afterEach, describe, expect, it } from "vitest";
import { attention, convert, kernelStatus, scale, Tensor, useKernels } from "../src/index.ts";

const kernels = (["native", "typescript"] as const).filter(
  (kind) => kind === "typescript" || kernelStatus().reason === null,
);
const tensor = (tokens: number, heads: number, wave: (x: number) => number) =>
  Tensor.from(
    Array.from({ length: tokens * heads * 8 }, (_, i) => wave(i)),
    [tokens, heads, 8],
  );
const [q, k, v] = [tensor(40, 4, Math.sin), tensor(45, 2, Math.cos), tensor(45, 2, (x) => Math.sin(3 * x))];

afterEach(() => useKernels("auto"));

describe.each(kernels)("attention on %s kernels", (choice) => {
  it.each([
    ["f32", "once", {}],
    ["bf16", "once", { window: 7 }],
    ["bf16", "hf", { chunk: 16 }],
    ["f16", "hf", { mask: "none" }],
  ] as const)("in %s, rounding %s, %j: turns with the sign of the factor", (dtype, rounding, more) => {
    useKernels(choice);
    const [queries, keys, values] = [q, k, v].map((x) => convert(x, dtype)) as [Tensor, Tensor, Tensor];
    const of = (x: Tensor, by: number) =>
      attention(x, keys, values, { past: 5, scale: by, rounding, ...more }).toNumbers();
    expect(of(queries, -0.5)).toEqual(of(scale(queries, -1), 0.5));
    expect(of(queries, 0)).toEqual(of(scale(queries, 0), 0.5));
    expect(of(queries, 0).every(Number.isFinite)).toBe(true);
  });
});
