import { beforeEach, describe, expect, it } from "vitest";
import {
  alignmentOf,
  CudaMemory,
  type CudaNormForm,
  type CudaNormSide,
  CudaQkNorm,
  CudaStream,
} from "../src/index.ts";
import { failureOf, missing, notes, scripted } from "./cuda-fake.ts";
import { form, fresh, head, k, kStart, launchesIn, q, token } from "./cuda-norm-case.ts";

beforeEach(() => {
  scripted();
  notes();
});

describe.skipIf(missing !== "")(`the launch of QK norm, on a stand-in driver${missing}`, () => {
  it("refuses operands that are not bound, freed, unaligned, too short, or of another device", () => {
    using stream = new CudaStream(0);
    using elsewhere = new CudaStream(1);
    const weights = new CudaMemory(stream, head);
    using x = new CudaMemory(stream, 2 * token);
    using foreign = new CudaMemory(elsewhere, 2 * token);
    const launch = new CudaQkNorm(fresh(), { form, q, k }).tokens(2);
    launch.bind("qInput", x).bind("kInput", x, kStart).bind("qWeight", weights);
    expect(failureOf(() => launch.run(stream))).toMatchObject({
      code: "ERR_QKNORM_ARGUMENT",
      message: "kWeight is not bound to any memory",
    });
    launch.bind("kWeight", weights);
    for (const offset of [8, -16, 0.5, Number.NaN]) {
      expect(failureOf(() => launch.bind("kInput", x, offset)).code).toBe("ERR_QKNORM_LAYOUT");
    }
    const moved = { memory: x, offset: kStart + token };
    launch.bind("kInput", moved.memory, moved.offset);
    expect(failureOf(() => launch.run(stream)).code).toBe("ERR_QKNORM_LAYOUT");
    launch.bind("kInput", foreign, kStart);
    expect(failureOf(() => launch.run(stream)).code).toBe("ERR_QKNORM_DEVICE");
    launch.bind("kInput", x, kStart).run(stream);
    expect(failureOf(() => launch.run(elsewhere)).code).toBe("ERR_QKNORM_DEVICE");
    weights.free();
    expect(failureOf(() => launch.run(stream)).message).toMatch(/has been freed/);
    expect(launchesIn(notes())).toHaveLength(1);
  });

  it("refuses what no kernel is made for", () => {
    const code = (change: Partial<CudaNormForm>, side: Partial<CudaNormSide> = {}) =>
      failureOf(() => new CudaQkNorm(kernels, { form: { ...form, ...change }, q: { ...q, ...side }, k }))
        .code;
    const kernels = fresh();
    for (const headDim of [0, 4, 12, 1032, 7.5, Number.NaN])
      expect(code({ headDim })).toBe("ERR_QKNORM_SHAPE");
    expect(code({ dtype: "f64" as "f32" })).toBe("ERR_QKNORM_DTYPE");
    expect(code({ bias: "f32" })).toBe("ERR_QKNORM_DTYPE");
    expect(code({ kind: "toString" as "rms" })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ rounding: "twice" as "hf" })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ dtype: "f32", alignment: 2 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ alignment: 32 as 16 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({}, { tokenStride: token + 8 })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({}, { headStride: -head })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({}, { weightHeadStride: 8 })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({}, { eps: -1 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({}, { heads: 1.5 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(failureOf(() => new CudaQkNorm(kernels, { form, q }).tokens(-1)).code).toBe("ERR_QKNORM_ARGUMENT");
    expect([alignmentOf(), alignmentOf(32, 8), alignmentOf(16, 4), alignmentOf(6)]).toEqual([16, 8, 4, 2]);
  });
});
