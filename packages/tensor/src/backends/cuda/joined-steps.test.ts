import { afterEach, describe, expect, it } from "vitest";
import { countLaunches } from "../../../test/count-launches.ts";
import { failure } from "../../../test/errors.ts";
import { expectCleanDevices, missing } from "../../../test/stand-in.ts";
import { decoder, type StepCase } from "../../../test/together-decoder.ts";
import { togetherSuite } from "../../../test/together-suite.ts";
import { tidy, together } from "../../index.ts";
import { worth } from "./joined-run.ts";

const small: StepCase = {
  ...{ dtype: "bf16", hidden: 64, heads: [4, 2], headDim: 64, intermediate: 48, vocab: 37 },
  ...{ layers: 2, capacity: 160, past: [0, 1, 63, 64, 65, 159, 3, 150] }, // fewer pieces, and more again
};

describe.skipIf(missing !== "")(`a decoder's steps in one launch, on a stand-in driver${missing}`, () => {
  // All blocks run at the same time, so few that this is quick, and their threads in no order that hides a missing barrier.
  expectCleanDevices({ multiprocessors: 5, order: 3 });

  togetherSuite("cuda:0", {
    "a small decoder": small,
    "f16, one query head of each": { ...small, dtype: "f16", heads: [3, 3], past: [0, 90] },
    "head dim 128, partial rotary, bias": {
      ...small,
      headDim: 128,
      rotaryDim: 64,
      bias: true,
      past: [70, 159],
    },
    "1 + weight, RoPE first, a window, a cap": {
      ...{ ...small, norm: { weightOffset: 1 }, order: "rope-norm", window: 30, softCap: 30, past: [100] },
    },
    "what are no numbers": { ...small, spoiled: true, past: [0, 70] },
    "something between attention and its projection": { ...small, gap: true, past: [80] },
    "no QK norm, l2 elsewhere": { ...small, qkNorm: "none", norm: { kind: "l2" }, past: [5] },
    "rounded as Hugging Face does": { ...small, rounding: "hf" },
    "f16 rounded so, a group of eight, a window, a cap": {
      ...{ ...small, dtype: "f16", rounding: "hf", heads: [8, 1], window: 100, softCap: 30, past: [20, 155] },
    },
    "rounded so, five pieces, and pieces of several turns": {
      ...{ ...small, rounding: "hf", heads: [2, 1], layers: 1, capacity: 330, past: [319, 329] },
    },
    "rounded so, head dim 128, 1 + weight, RoPE first": {
      ...{
        ...small,
        rounding: "hf",
        headDim: 128,
        norm: { weightOffset: 1 },
        order: "rope-norm",
        past: [130],
      },
    },
    "keys in pages": { ...small, pageSize: 16 },
    "keys in pages, rounded as Hugging Face does": { ...small, pageSize: 16, rounding: "hf" },
    "keys in pages of an odd size, a window, f16": {
      ...{ ...small, pageSize: 5, dtype: "f16", heads: [3, 3], window: 70, past: [4, 5, 155] },
    },
    "keys in pages, a token that goes to the place of another": {
      ...{ ...small, pageSize: 16, rounding: "hf", goesTo: 17, past: [16, 30, 150] },
    },
    "keys in pages, something between attention and its projection": {
      ...{ ...small, pageSize: 16, gap: true, past: [80] },
    },
    "many keys in pages": {
      ...{ ...small, pageSize: 32, heads: [2, 1], layers: 1, capacity: 1280, past: [511, 512, 1279] },
    },
    "more pages than stay at hand": {
      ...{ ...small, pageSize: 2, heads: [1, 1], layers: 1, capacity: 600, past: [599] },
    },
    "a group of three, rows of several parts": {
      ...small,
      hidden: 1536,
      heads: [6, 2],
      layers: 1,
      past: [66],
    },
  });
});

describe.skipIf(missing !== "")(`one launch and its limits, on a stand-in driver${missing}`, () => {
  expectCleanDevices({ multiprocessors: 5, order: 3 });

  const { steps, coarse } = structuredClone(worth);
  afterEach(() => {
    Object.assign(worth, { steps, coarse: { ...coarse } });
  });

  const launchesOf = (one: StepCase): number => {
    const launches = countLaunches();
    try {
      tidy(() => {
        const { step, stand } = decoder(one, "cuda:0");
        stand(3);
        tidy(() => void together("cuda:0", step));
      });
      return launches.count;
    } finally {
      launches.restore();
    }
  };

  it("is worth it for large weights, where a head's keys in pages are few blocks' work, and any by the finer cut", () => {
    const paged: StepCase = { ...small, pageSize: 16 };
    expect([launchesOf(paged), launchesOf({ ...paged, rounding: "hf" }), launchesOf(small)]).toEqual([
      0, 1, 1,
    ]);
    // Of two layers and the head, by attention.
    const bytes = 2 * (64 * (64 * 8) + 64 * 256 + 3 * 64 * 48) + 64 * 37;
    worth.coarse.weightBytes = bytes;
    expect(launchesOf(paged)).toBe(1);
    worth.coarse.weightBytes = bytes + 1;
    expect(launchesOf(paged)).toBe(0);
  });

  it("is worth it for three steps, of which one is attention", () => {
    // Between two gaps stand a projection, an MLP, the next layer's projection and its attention.
    expect(launchesOf({ ...small, gap: true })).toBe(1);
    worth.steps = 6;
    expect(launchesOf({ ...small, gap: true })).toBe(0);
  });

  it("tells of a slot that the pages do not have, wherever the token stands", () => {
    tidy(() => {
      const { step, stand } = decoder({ ...small, pageSize: 16, rounding: "hf", goesTo: -1 }, "cuda:0");
      stand(3);
      const told = failure("ERR_QKNORM_ARGUMENT", () => together("cuda:0", step)[0]?.toNumbers());
      expect(told).toContain("slot -1 at 0 is outside 0..159: a decode step on cuda:0");
    });
  });
});
