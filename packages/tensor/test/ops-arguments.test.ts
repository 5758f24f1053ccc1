import type { FloatDtype, NormSpec, QkNormErrorCode } from "@qknorm/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  add,
  addNormalize,
  attention,
  convert,
  gatherRows,
  Indices,
  type KernelChoice,
  linear,
  normalize,
  type RopeTable,
  rope,
  siluMul,
  Tensor,
  useKernels,
} from "../src/index.ts";
import { detach, failure } from "./errors.ts";
import { normal } from "./random-values.ts";

const random = (shape: readonly number[], dtype: FloatDtype): Tensor =>
  Tensor.from(
    normal(
      1,
      shape.reduce((a, b) => a * b, 1),
    ),
    shape,
    dtype,
  );

describe("bad arguments are typed errors, and nothing is written", () => {
  let former: KernelChoice = "auto";
  beforeEach(() => {
    former = useKernels("typescript");
  });
  afterEach(() => {
    useKernels(former);
  });

  const f = (...shape: number[]): Tensor => random(shape, "f32");
  const i = (...values: number[]): Tensor => Tensor.from(values, undefined, "i32");
  const at = (...values: number[]): Indices => Indices.from(values);
  const gone = (): Tensor => {
    const x = f(4, 4);
    detach(x.data);
    return x;
  };
  const spec: NormSpec<Tensor> = {
    kind: "rms",
    axis: "head",
    weight: null,
    eps: 1e-6,
    weightOffset: 0,
    rounding: "once",
  };
  const table: RopeTable<Tensor> = { cos: f(8, 2), sin: f(8, 2) };
  const span = { past: 1, scale: 1, rounding: "once" } as const;
  const none = null as never;
  const mystery = "half" as never;

  test.each<[string, QkNormErrorCode, () => unknown]>([
    ["linear: no tensor", "ERR_QKNORM_ARGUMENT", () => linear(none, f(3, 4))],
    ["linear: a proxy of a tensor", "ERR_QKNORM_ARGUMENT", () => linear(new Proxy(f(2, 4), {}), f(3, 4))],
    [
      "linear: a bias that is no tensor",
      "ERR_QKNORM_ARGUMENT",
      () => linear(f(2, 4), f(3, 4), [1, 2, 3] as never),
    ],
    ["linear: integers", "ERR_QKNORM_DTYPE", () => linear(i(1, 2), f(3, 2))],
    ["linear: integer weights", "ERR_QKNORM_DTYPE", () => linear(f(2, 2), i(1, 2, 3, 4).view([2, 2]))],
    ["linear: another K", "ERR_QKNORM_SHAPE", () => linear(f(2, 4), f(4, 3))],
    ["linear: a scalar", "ERR_QKNORM_SHAPE", () => linear(f(), f(3, 1))],
    ["linear: weights of three axes", "ERR_QKNORM_SHAPE", () => linear(f(2, 4), f(3, 4, 1))],
    ["linear: a bias of another length", "ERR_QKNORM_SHAPE", () => linear(f(2, 4), f(3, 4), f(4))],
    ["linear: detached x", "ERR_QKNORM_LAYOUT", () => linear(gone(), f(3, 4))],
    ["linear: detached weights", "ERR_QKNORM_LAYOUT", () => linear(f(2, 4), gone())],
    ["normalize: no spec", "ERR_QKNORM_NORM", () => normalize(f(2, 4), none)],
    ["normalize: a scalar", "ERR_QKNORM_SHAPE", () => normalize(f(), spec)],
    [
      "normalize: a weight of another length",
      "ERR_QKNORM_SHAPE",
      () => normalize(f(2, 4), { ...spec, weight: f(3) }),
    ],
    [
      "normalize: weights for other heads",
      "ERR_QKNORM_SHAPE",
      () => normalize(f(2, 4), { ...spec, weight: f(3, 4) }),
    ],
    [
      "normalize: per-head weights of a row norm",
      "ERR_QKNORM_SHAPE",
      () => normalize(f(2, 4), { ...spec, axis: "row", weight: f(2, 4) }),
    ],
    [
      "normalize: a weight that is no tensor",
      "ERR_QKNORM_ARGUMENT",
      () => normalize(f(2, 4), { ...spec, weight: [1] as never }),
    ],
    ["normalize: detached x", "ERR_QKNORM_LAYOUT", () => normalize(gone(), spec)],
    ["siluMul: an odd width", "ERR_QKNORM_SHAPE", () => siluMul(f(2, 3), "once")],
    ["siluMul: a scalar", "ERR_QKNORM_SHAPE", () => siluMul(f(), "once")],
    ["siluMul: a rounding that is none", "ERR_QKNORM_ARGUMENT", () => siluMul(f(2, 4), mystery)],
    ["add: unequal shapes", "ERR_QKNORM_SHAPE", () => add(f(2, 4), f(4, 2))],
    ["addNormalize: unequal shapes", "ERR_QKNORM_SHAPE", () => addNormalize(f(2, 4), f(4, 2), spec)],
    [
      "addNormalize: a weight of another length",
      "ERR_QKNORM_SHAPE",
      () => addNormalize(f(2, 4), f(2, 4), { ...spec, weight: f(3) }),
    ],
    ["add: unequal dtypes", "ERR_QKNORM_DTYPE", () => add(f(4), convert(f(4), "bf16"))],
    ["convert: to integers", "ERR_QKNORM_DTYPE", () => convert(f(4), "i32" as never)],
    ["convert: to a dtype that is none", "ERR_QKNORM_DTYPE", () => convert(f(4), mystery)],
    ["gatherRows: into integers", "ERR_QKNORM_DTYPE", () => gatherRows(f(4, 2), at(0), "i32" as never)],
    ["gatherRows: a tensor as ids", "ERR_QKNORM_ARGUMENT", () => gatherRows(f(4, 2), f(2) as never, "f32")],
    ["gatherRows: an id behind the table", "ERR_QKNORM_ARGUMENT", () => gatherRows(f(4, 2), at(0, 4), "f32")],
    ["gatherRows: a negative id", "ERR_QKNORM_ARGUMENT", () => gatherRows(f(4, 2), at(-1), "f32")],
    ["gatherRows: a table of one axis", "ERR_QKNORM_SHAPE", () => gatherRows(f(4), at(0), "f32")],
    [
      "attention: unequal dtypes",
      "ERR_QKNORM_DTYPE",
      () => attention(f(1, 2, 4), convert(f(2, 1, 4), "f16"), f(2, 1, 4), span),
    ],
    ["attention: two axes", "ERR_QKNORM_SHAPE", () => attention(f(1, 8), f(2, 8), f(2, 8), span)],
    [
      "attention: k and v of two shapes",
      "ERR_QKNORM_SHAPE",
      () => attention(f(1, 2, 4), f(2, 1, 4), f(3, 1, 4), span),
    ],
    [
      "attention: heads that do not divide",
      "ERR_QKNORM_SHAPE",
      () => attention(f(1, 3, 4), f(2, 2, 4), f(2, 2, 4), span),
    ],
    ["attention: no KV heads", "ERR_QKNORM_SHAPE", () => attention(f(1, 3, 4), f(2, 0, 4), f(2, 0, 4), span)],
    ["attention: another D", "ERR_QKNORM_SHAPE", () => attention(f(1, 2, 4), f(2, 2, 8), f(2, 2, 8), span)],
    [
      "attention: fewer keys than past + T",
      "ERR_QKNORM_SHAPE",
      () => attention(f(2, 2, 4), f(2, 2, 4), f(2, 2, 4), span),
    ],
    [
      "attention: a last axis with gaps",
      "ERR_QKNORM_SHAPE",
      () => attention(f(1, 4, 2).transpose(1, 2), f(2, 2, 4), f(2, 2, 4), span),
    ],
    [
      "attention: a negative past",
      "ERR_QKNORM_ARGUMENT",
      () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), { ...span, past: -1 }),
    ],
    [
      "attention: a fractional past",
      "ERR_QKNORM_ARGUMENT",
      () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), { ...span, past: 0.5 }),
    ],
    [
      "attention: a scale that is NaN",
      "ERR_QKNORM_ARGUMENT",
      () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), { ...span, scale: Number.NaN }),
    ],
    [
      "attention: a rounding that is none",
      "ERR_QKNORM_ARGUMENT",
      () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), { ...span, rounding: mystery }),
    ],
    [
      "attention: a window that is no integer",
      "ERR_QKNORM_ARGUMENT",
      () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), { ...span, window: 1.5 }),
    ],
    [
      "attention: a chunk without a mask",
      "ERR_QKNORM_ARGUMENT",
      () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), { ...span, mask: "none", chunk: 4 }),
    ],
    [
      "attention: a negative soft cap",
      "ERR_QKNORM_ARGUMENT",
      () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), { ...span, softCap: -1 }),
    ],
    [
      "attention: sinks for other heads",
      "ERR_QKNORM_SHAPE",
      () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), { ...span, sinks: f(3) }),
    ],
    ["attention: no span", "ERR_QKNORM_ARGUMENT", () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), none)],
  ])("%s", (_, code, call) => {
    failure(code, call);
  });

  test.each<[string, QkNormErrorCode, (x: Tensor) => unknown]>([
    ["no table", "ERR_QKNORM_ARGUMENT", (x) => rope(x, none, at(0, 1), "hf")],
    ["no positions", "ERR_QKNORM_ARGUMENT", (x) => rope(x, table, none, "hf")],
    ["a rounding that is none", "ERR_QKNORM_ARGUMENT", (x) => rope(x, table, at(0, 1), mystery)],
    ["a position behind the table", "ERR_QKNORM_ARGUMENT", (x) => rope(x, table, at(0, 8), "hf")],
    ["a negative position", "ERR_QKNORM_ARGUMENT", (x) => rope(x, table, at(0, -1), "hf")],
    ["a tensor as positions", "ERR_QKNORM_ARGUMENT", (x) => rope(x, table, f(2) as never, "hf")],
    [
      "a bf16 table",
      "ERR_QKNORM_DTYPE",
      (x) => rope(x, { ...table, cos: convert(table.cos, "bf16") }, at(0, 1), "hf"),
    ],
    ["another number of positions", "ERR_QKNORM_SHAPE", (x) => rope(x, table, at(0), "hf")],
    ["sin of another shape", "ERR_QKNORM_SHAPE", (x) => rope(x, { ...table, sin: f(8, 1) }, at(0, 1), "hf")],
    ["sin of three axes", "ERR_QKNORM_SHAPE", (x) => rope(x, { ...table, sin: f(8, 2, 2) }, at(0, 1), "hf")],
    [
      "a table with gaps",
      "ERR_QKNORM_SHAPE",
      (x) => rope(x, { ...table, cos: f(8, 3).slice(1, 0, 2) }, at(0, 1), "hf"),
    ],
    [
      "a table wider than D",
      "ERR_QKNORM_SHAPE",
      (x) => rope(x, { cos: f(8, 3), sin: f(8, 3) }, at(0, 1), "hf"),
    ],
    [
      "a layout that is none",
      "ERR_QKNORM_ARGUMENT",
      (x) => rope(x, { ...table, layout: mystery }, at(0, 1), "hf"),
    ],
    ["two axes", "ERR_QKNORM_SHAPE", (x) => rope(x.view([2, 12]), table, at(0, 1), "hf")],
    [
      "a last axis with gaps",
      "ERR_QKNORM_SHAPE",
      (x) => rope(x.view([2, 4, 3]).transpose(1, 2), table, at(0, 1), "hf"),
    ],
    [
      "heads that lie on one another",
      "ERR_QKNORM_OVERLAP",
      (x) => rope(new Tensor(x.data, "f32", [2, 3, 4], { strides: [4, 4, 1] }), table, at(0, 1), "hf"),
    ],
    [
      "a table within x",
      "ERR_QKNORM_OVERLAP",
      (x) => rope(x, { ...table, cos: x.view([12, 2]).slice(0, 0, 8) }, at(0, 1), "hf"),
    ],
  ])("rope: %s", (_, code, call) => {
    const x = f(2, 3, 4);
    const before = x.clone();
    failure(code, () => call(x));
    expect(x).toEqual(before);
  });

  test("useKernels takes only names of kernels", () => {
    for (const choice of ["cuda", null, Symbol("native"), Object.create(null)]) {
      failure("ERR_QKNORM_ARGUMENT", () => useKernels(choice as KernelChoice));
    }
  });
});
