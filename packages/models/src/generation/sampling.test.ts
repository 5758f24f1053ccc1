import { likelyTokens, sample, Tensor } from "@qknorm/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { normal } from "../../../tensor/test/random-values.ts";
import { plainOdds } from "../../test/plain-odds.ts";
import golden from "./golden/sampling.golden.json" with { type: "json" };
import { argmax, createSampler } from "./sampling.ts";
import { cutoffsOf } from "./sampling-cutoffs.ts";
import { resolveSampling, type SamplingOptions } from "./sampling-options.ts";
import { tokenDrawOf } from "./token-draw.ts";

const rows = golden.logits.map((row) => Float32Array.from(row, (logit) => logit ?? Number.NEGATIVE_INFINITY));
const someLogits = fc
  .array(fc.float({ min: -30, max: 30, noNaN: true }), { minLength: 1, maxLength: 80 })
  .map((values) => Float32Array.from(values));

/** The probability of each token that is left. */
function distribution(logits: Float32Array, options: SamplingOptions): Map<number, number> {
  const sampling = resolveSampling({ temperature: 1, ...options });
  let tokens = likelyTokens(logits, logits[argmax(logits)]!, tokenDrawOf(sampling));
  for (const cutoff of cutoffsOf(sampling)) tokens = cutoff(tokens);
  const weights = [...tokens.scores].map(Math.exp);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return new Map([...tokens.ids].map((id, i) => [id, weights[i]! / total]));
}

function gaussianLogits(length: number, spread: number, seed = 1): Float32Array {
  return Float32Array.from(normal(seed, length, spread));
}

describe("the tokens that may be drawn", () => {
  const cases = golden.cases.filter(({ setting }) => !("repetitionPenalty" in setting));
  it.each(cases)(
    "are transformers', with its probabilities: row $row, $setting",
    ({ row, setting, kept, probabilities }) => {
      const mine = distribution(rows[row]!, setting);
      expect([...mine.keys()]).toEqual(kept);
      [...mine.values()].forEach((probability, i) => {
        expect(probability).toBeCloseTo(probabilities[i]!, 6);
      });
    },
  );

  it("are drawn as often as they are likely, within 5 sigma, with every filter on", () => {
    const options = { temperature: 1.5, topK: 8, topP: 0.8, minP: 0.05 };
    const sample = createSampler({ ...options, seed: 42 });
    const counts = new Map<number, number>();
    const draws = 50_000;
    for (let i = 0; i < draws; i++) {
      const id = sample(rows[1]!);
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    const expected = distribution(rows[1]!, options);
    expect([...counts.keys()].sort((a, b) => a - b)).toEqual([...expected.keys()]);
    for (const [id, p] of expected) {
      expect(Math.abs(counts.get(id)! - draws * p)).toBeLessThan(5 * Math.sqrt(draws * p * (1 - p)));
    }
  });

  it("are found the same by a plain sort of everything, for any logits and options", () => {
    const options = fc.record({
      temperature: fc.double({ min: 0.05, max: 5, noNaN: true }),
      topK: fc.integer({ min: 0, max: 90 }),
      topP: fc.nat(1000).map((thousandths) => thousandths / 1000),
      minP: fc.nat(999).map((thousandths) => thousandths / 1000),
    });
    fc.assert(
      fc.property(someLogits, options, (logits, given) => {
        expect([...distribution(logits, given).keys()]).toEqual([...plainOdds(logits, given).keys()]);
      }),
      { numRuns: 2000 },
    );
  });

  it("are all of them when no filter is on", () => {
    expect([...distribution(rows[0]!, { topK: 0, topP: 1, minP: 0 }).keys()]).toHaveLength(48);
    expect([...distribution(rows[0]!, { topK: 48 }).keys()]).toHaveLength(48);
  });

  it("of equals, are the lowest ids under top-p, and all under top-k", () => {
    const equal = new Float32Array(8);
    expect([...distribution(equal, { topP: 0.5 }).keys()]).toEqual([0, 1, 2, 3]);
    expect([...distribution(equal, { topK: 2 }).keys()]).toHaveLength(8);
    expect([...distribution(Float32Array.of(-0, 0, -0, 0), { topP: 0.5 }).keys()]).toEqual([0, 1]);
  });
});

describe("createSampler", () => {
  it("takes the largest logit when there is no temperature, and of equals the lowest id", () => {
    expect(createSampler()(Float32Array.of(1, 3, 2))).toBe(1);
    expect(createSampler({ temperature: 0, topK: 1, topP: 0.1 })(Float32Array.of(1, 3, 3, 2))).toBe(1);
    expect(createSampler()(Float32Array.of(Number.NEGATIVE_INFINITY, -5))).toBe(1);
  });

  it("draws the same tokens for the same seed, and others for another", () => {
    const draw = (seed: number) => {
      const sample = createSampler({ temperature: 1, seed });
      return Array.from({ length: 32 }, () => sample(rows[1]!));
    };
    expect(draw(3)).toEqual(draw(3));
    expect(draw(3)).not.toEqual(draw(4));
  });

  it("draws differently each time without a seed", () => {
    const draw = () => {
      const sample = createSampler({ temperature: 1 });
      return Array.from({ length: 40 }, () => sample(rows[1]!)).join();
    };
    expect(draw()).not.toBe(draw());
  });

  it("becomes greedy as the temperature nears 0, without overflow", () => {
    for (const temperature of [1e-3, 1e-30, Number.MIN_VALUE]) {
      expect(createSampler({ temperature, seed: 1 })(rows[0]!)).toBe(argmax(rows[0]!));
    }
  });

  it("never draws a token of logit -Infinity", () => {
    const sample = createSampler({ temperature: 1e6, seed: 5 });
    for (let i = 0; i < 2000; i++) expect(sample(rows[3]!)).toBeLessThan(40);
  });

  it("makes a seen token less likely, be its logit positive or negative", () => {
    const sample = createSampler({ repetitionPenalty: 2 });
    expect(sample(Float32Array.of(3, 2), [0])).toBe(1);
    expect(sample(Float32Array.of(-1, -1.5), [0])).toBe(1);
    expect(sample(Float32Array.of(3, 1), new Set([0]))).toBe(0);
  });

  it("takes off what was chosen, once and for each time, and nothing for the prompt", () => {
    const logits = Float32Array.of(3, 2.5, 2.25);
    const presence = createSampler({ presencePenalty: 1 });
    expect([[0], [0, 0], [0, 0, 1]].map((ids) => presence(logits, ids))).toEqual([0, 1, 2]);
    const frequency = createSampler({ frequencyPenalty: 0.4 });
    expect([[2], [2, 0], [2, 0, 0], [2, 0, 0, 1]].map((ids) => frequency(logits, ids))).toEqual([0, 0, 1, 2]);
    expect(createSampler({ presencePenalty: -1 })(logits, [2])).toBe(0);
  });

  it("draws what the op draws: by the same numbers, from the same tokens, whatever the options and what was said", () => {
    const options = fc.record({
      temperature: fc.double({ min: 0, max: 3, noNaN: true }),
      topK: fc.nat(20),
      topP: fc.double({ min: 0, max: 1, noNaN: true }),
      minP: fc.double({ min: 0, max: 1, noNaN: true }),
      repetitionPenalty: fc.double({ min: 0.5, max: 2, noNaN: true }),
      presencePenalty: fc.double({ min: -2, max: 2, noNaN: true }),
      frequencyPenalty: fc.double({ min: -2, max: 2, noNaN: true }),
      seed: fc.maxSafeNat(),
    });
    const prompts = fc.array(fc.nat(7), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 99 }), prompts, options, (logitsOf, prompt, given) => {
        const sampler = createSampler(given);
        const logits = normal(logitsOf, 8 * 6, 3).map(Math.fround);
        const texts = {
          ids: Tensor.zeros([1], "i32"),
          positions: Tensor.from([prompt.length - 1], [1], "i32"),
          log: Tensor.zeros([1, 16], "i32"),
        };
        const { draw } = sampler;
        const draws = {
          settings: Tensor.from(
            [
              ...[draw!.temperature, draw!.topP, draw!.minP],
              ...[draw!.repetitionPenalty, draw!.presencePenalty, draw!.frequencyPenalty],
            ],
            [1, 6],
          ),
          keys: Tensor.from([draw!.topK, ...draw!.seed], [1, 3], "i32"),
          counters: texts.positions,
          seen: Tensor.from(
            Array.from({ length: 8 }, (_, id) => (prompt.includes(id) ? 1 : 0)),
            [1, 8],
            "i32",
          ),
        };
        const ids = [...prompt];
        for (let step = 0; step < 6; step++) {
          const row = Float32Array.from(logits.slice(8 * step, 8 * step + 8));
          sample(new Tensor(row.slice(), "f32", [1, 8]), texts, draws);
          ids.push(sampler(row, ids));
          expect(texts.ids.toNumbers()[0]).toBe(ids.at(-1));
        }
      }),
      { numRuns: 300 },
    );
  });

  it("can be drawn by without a call, but for token rules and cuts that only the host does", () => {
    for (const options of [
      {},
      { temperature: 1, topK: 3, minP: 0.1 },
      { repetitionPenalty: 2, endIds: [3] },
    ]) {
      expect(createSampler(options).draw).not.toBeNull();
    }
    for (const options of [
      { temperature: 1, typicalP: 0.5 },
      { minNewTokens: 2, endIds: [3] },
      { suppressedIds: [1] },
    ]) {
      expect(createSampler(options).draw).toBeNull();
    }
  });

  it("leaves the logits as they were", () => {
    const before = rows[1]!.slice();
    createSampler({ temperature: 0.7, topK: 5, topP: 0.9, repetitionPenalty: 2, seed: 1 })(rows[1]!, [1, 2]);
    expect(rows[1]).toEqual(before);
  });

  it("works on vocabularies of different sizes in turn", () => {
    const sample = createSampler({ temperature: 1, topK: 2, topP: 0.9, seed: 1 });
    for (const length of [5, 50, 1, 7]) expect(sample(gaussianLogits(length, 1))).toBeLessThan(length);
  });

  const penalised = golden.cases.filter(({ setting }) => "repetitionPenalty" in setting);
  it.each(penalised)(
    "penalises what was seen, as transformers does: row $row, $setting",
    ({ row, setting, kept }) => {
      const seeds = Array.from({ length: 2000 }, (_, seed) => seed);
      const drawn = new Set(
        seeds.map((seed) => createSampler({ ...setting, seed })(rows[row]!, golden.seen)),
      );
      expect([...drawn].sort((a, b) => a - b)).toEqual(kept);
    },
  );

  it("draws from the allowed tokens of a vocabulary of 151,936, peaked or flat", () => {
    for (const options of [{ topK: 20, topP: 0.95 }, { topP: 0.95 }, { topK: 50_000 }, { minP: 0.1 }]) {
      const sample = createSampler({ temperature: 1, seed: 1, ...options });
      for (const spread of [3, 0.01]) {
        const logits = gaussianLogits(151_936, spread);
        const allowed = distribution(logits, options);
        for (let i = 0; i < 5; i++) expect(allowed.has(sample(logits))).toBe(true);
      }
    }
  });
});

describe("what cannot be sampled", () => {
  it.each<[SamplingOptions, string]>([
    [{ temperature: -1 }, "temperature must be a number from 0, got -1"],
    [{ temperature: Number.NaN }, "temperature must be a number from 0, got NaN"],
    [{ temperature: Number.POSITIVE_INFINITY }, "temperature must be a number from 0, got Infinity"],
    [{ topK: 1.5 }, "topK must be an integer from 0, or -1, got 1.5"],
    [{ topK: -2 }, "topK must be an integer from 0, or -1, got -2"],
    [{ topP: 1.1 }, "topP must be a number from 0 to 1, got 1.1"],
    [{ minP: -0.1 }, "minP must be a number from 0 to 1, got -0.1"],
    [{ repetitionPenalty: 0 }, "repetitionPenalty must be a number above 0, got 0"],
    [{ presencePenalty: 2.1 }, "presencePenalty must be a number from -2 to 2, got 2.1"],
    [{ frequencyPenalty: Number.NaN }, "frequencyPenalty must be a number from -2 to 2, got NaN"],
    [{ seed: 0.5 }, "seed must be an integer from 0 to 2^53 - 1, got 0.5"],
    [{ seed: 2 ** 53 }, "seed must be an integer from 0 to 2^53 - 1"],
    [{ topP: "0.9" as unknown as number }, 'topP must be a number from 0 to 1, got "0.9"'],
  ])("%j is refused by name", (options, message) => {
    expect(() => createSampler(options)).toThrow(message);
    expect(() => createSampler(options)).toThrow(expect.objectContaining({ code: "ERR_GENERATION" }));
  });

  it.each<[string, Float32Array, string]>([
    ["NaN first", Float32Array.of(Number.NaN, 1), "the logit of token 0 is NaN"],
    ["NaN last", Float32Array.of(1, Number.NaN), "the logit of token 1 is NaN"],
    ["Infinity", Float32Array.of(1, Number.POSITIVE_INFINITY), "the logit of token 1 is Infinity"],
    ["only -Infinity", Float32Array.of(Number.NEGATIVE_INFINITY), "every logit is -Infinity"],
    ["nothing", new Float32Array(0), "there are no logits"],
    ["no array", [1, 2] as unknown as Float32Array, "there are no logits"],
  ])("logits of %s are refused, with and without temperature", (_, logits, message) => {
    for (const temperature of [0, 1]) {
      const sample = createSampler({ temperature });
      expect(() => sample(logits)).toThrow(message);
      expect(() => sample(logits)).toThrow(expect.objectContaining({ code: "ERR_GENERATION" }));
    }
  });

  it("a repetition penalty without the ids so far, or with an id beyond the logits, is refused", () => {
    const sample = createSampler({ repetitionPenalty: 1.2 });
    expect(() => sample(rows[0]!)).toThrow("penalties and the token rules need the ids so far");
    expect(() => sample(rows[0]!, [48])).toThrow("token 48 was seen, but there are only 48 logits");
  });
});
