import { beforeEach, describe, expect, it } from "vitest";
import {
  alignmentOf,
  CudaMemory,
  type CudaNormForm,
  type CudaNormSide,
  CudaQkNorm,
  type CudaQkNormOptions,
  CudaStream,
  type QkNormOperand,
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

  it("refuses to write over anything else of the call", () => {
    using stream = new CudaStream(0);
    using x = new CudaMemory(stream, 4 * token);
    using weights = new CudaMemory(stream, 4 * token);
    type Places = Partial<Record<QkNormOperand, number>>;
    const outcome = (places: Places, change: Partial<CudaQkNormOptions> = {}, tokens = 3) => {
      const launch = new CudaQkNorm(kernels, { form, q, k, ...change });
      const all: Places = { qInput: 0, kInput: kStart, ...places };
      launch.bind("qWeight", weights).bind("kWeight", weights);
      for (const [name, at] of Object.entries(all)) launch.bind(name as QkNormOperand, x, at);
      try {
        launch.tokens(tokens).run(stream);
        return "runs";
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    const kernels = fresh();
    expect(outcome({})).toBe("runs");
    expect(outcome({ kInput: kStart - head })).toBe("ERR_QKNORM_OVERLAP");
    expect(outcome({ kInput: 0 })).toBe("ERR_QKNORM_OVERLAP");
    expect(outcome({ kInput: 11 * head })).toBe("ERR_QKNORM_OVERLAP"); // its second head is the next token's first
    expect(outcome({ kWeight: 7 * head })).toBe("ERR_QKNORM_OVERLAP");
    expect(outcome({ kWeight: 3 * token })).toBe("runs");
    // Head by head: q, k and v of a head side by side, as in GPT-NeoX.
    const byHead = {
      q: { ...q, heads: 4, headStride: 3 * head },
      k: { ...k, heads: 4, headStride: 3 * head },
    };
    expect(outcome({ kInput: head }, byHead)).toBe("runs");
    expect(outcome({ kInput: head / 2 }, byHead)).toBe("ERR_QKNORM_OVERLAP");
    // The same in tokens that end with something else; the second time k's last head is behind the token's end.
    const padded = (side: CudaNormSide) => ({
      ...side,
      heads: 3,
      headStride: 3 * head,
      tokenStride: 10 * head,
    });
    expect(outcome({ kInput: head }, { q: padded(q), k: padded(k) })).toBe("runs");
    expect(outcome({ kInput: 4 * head }, { q: padded(q), k: padded(k) })).toBe("ERR_QKNORM_OVERLAP");
    // [H, T, D]: the tokens of a head lie together.
    const turned = { tokenStride: head, headStride: 3 * head };
    expect(outcome({ kInput: 8 * 3 * head }, { q: { ...q, ...turned }, k: { ...k, ...turned } })).toBe(
      "runs",
    );
    // [H, 3, T, D]: the tokens of a head's q, then those of its k, then those of its v.
    const both = { heads: 4, tokenStride: head, headStride: 3 * 3 * head };
    const headwise = { q: { ...q, ...both }, k: { ...k, ...both } };
    expect(outcome({ kInput: 3 * head }, headwise)).toBe("runs");
    expect(outcome({ kInput: 2 * head }, headwise)).toBe("ERR_QKNORM_OVERLAP");
    const squeezed = { q: { ...q, tokenStride: 4 * head } };
    expect(outcome({}, squeezed)).toBe("ERR_QKNORM_OVERLAP");
    expect(outcome({}, { ...squeezed }, 1)).toBe("runs");
    // Out of place x may be read twice, and y may not be anywhere on it.
    const apart = {
      form: { ...form, inPlace: false },
      q: { ...q, outTokenStride: 8 * head, outHeadStride: head },
      k: { ...k, outTokenStride: 2 * head, outHeadStride: head },
    };
    expect(outcome({ kInput: 0, qOutput: token, kOutput: token + 8 * head }, apart, 1)).toBe("runs");
    expect(outcome({ qOutput: 2 * head, kOutput: 2 * token }, apart, 1)).toBe("ERR_QKNORM_OVERLAP");
    expect(outcome({ qOutput: token, kOutput: token + 7 * head }, apart, 1)).toBe("ERR_QKNORM_OVERLAP");
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
