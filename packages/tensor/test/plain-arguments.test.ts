// Arguments that no type would let through, as plain JavaScript passes them, in each place of each call.
import { describe, expect, test } from "vitest";
import {
  drawToken,
  fillFromFile,
  freeOnFailure,
  Indices,
  likeliest,
  likelyTokens,
  penalized,
  sample,
  settle,
  Tensor,
  tidy,
  together,
  tokensWhere,
} from "../src/index.ts";
import { type Loose, outcome, spoilt } from "./strange-arguments.ts";

const f32 = (...shape: number[]) => Tensor.zeros(shape, "f32");
const i32 = (...shape: number[]) => Tensor.zeros(shape, "i32");
const texts = { ids: i32(2), positions: i32(2), log: i32(2, 3) };
const draws = { settings: f32(2, 6), keys: i32(2, 3), counters: i32(2), seen: i32(2, 4) };
const penalties = { repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0 };
const cuts = { temperature: 1, topK: 2, topP: 0.9, minP: 0.01 };
const tokens = { ids: Uint32Array.of(0, 2), scores: Float32Array.of(0, -1) };

const memory = ["0 = one whose memory grew", "0 = one in shared memory"];
const arrays = ["an array whose memory went", "an array whose memory shrank", "an array of shared memory"];

/** What each takes, and what of the strange values it may take besides. */
const calls: Record<string, { readonly call: unknown; readonly args: unknown[]; readonly taken?: string[] }> =
  {
    sample: { call: sample, args: [f32(2, 4), texts, draws], taken: [...memory, "2.seen = null"] },
    likeliest: { call: likeliest, args: [f32(2, 4), texts], taken: memory },
    settle: { call: settle, args: [[f32(2)]], taken: ["0 = an empty array"] },
    tidy: { call: tidy, args: [() => 1], taken: ["0 = a function"] },
    freeOnFailure: { call: freeOnFailure, args: [() => 1], taken: ["0 = a function"] },
    together: { call: together, args: ["cpu", () => 1], taken: ["1 = a function"] },
    fillFromFile: { call: fillFromFile, args: [f32(2), { descriptor: 0, position: 0 }], taken: memory },
    penalized: {
      call: penalized,
      args: [1, 2, penalties],
      taken: ["0 = NaN", "0 = -1.5", "2.presencePenalty = -1.5", "2.frequencyPenalty = -1.5"],
    },
    likelyTokens: {
      call: likelyTokens,
      args: [Float32Array.of(1, 2, 3), 3, cuts],
      taken: [...arrays.map((kind) => `0 = ${kind}`), "1 = -1.5"],
    },
    tokensWhere: { call: tokensWhere, args: [tokens, () => true], taken: ["1 = a function"] },
    drawToken: { call: drawToken, args: [tokens, [1, 2], 3] },
    "Indices.range": { call: Indices.range, args: [1, 2] },
  };

describe.each(Object.entries(calls))("%s", (_, { call, args, taken = [] }) => {
  test("takes its arguments, and answers any other kind of value by an error with a code", () => {
    expect(outcome(call as Loose, args)).toBe("taken");
    const others = [...spoilt(args)].map(([place, list]) => [place, outcome(call as Loose, list)] as const);
    expect(others.filter(([, end]) => !/^(taken|its own|ERR_QKNORM_[A-Z]+)$/.test(String(end)))).toEqual([]);
    expect(others.filter(([, end]) => end === "taken").map(([place]) => place)).toEqual(taken);
  });
});

test("what is refused says what was asked for and what came", () => {
  const none = null as never;
  expect(() => sample(f32(2, 4), texts, none)).toThrow("draws must be an object, got null");
  expect(() => likeliest(f32(2, 4), none)).toThrow("texts must be an object, got null");
  expect(() => settle(f32(2) as never)).toThrow("settle takes tensors in an array, got object");
  expect(() => settle([none])).toThrow("a settled tensor must be a Tensor, got null");
  expect(() => drawToken(tokens, [1] as never, 0)).toThrow(
    "a seed must be an array of two integers, got object",
  );
  expect(() => likelyTokens(Float32Array.of(1), 1, { ...cuts, temperature: 0 })).toThrow(
    /^temperature must be/,
  );
});
