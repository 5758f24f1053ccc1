// Arguments that no type would let through, as plain JavaScript passes them.
import { fileURLToPath } from "node:url";
import { isQkNormError } from "@qknorm/core";
import { describe, expect, it } from "vitest";
import {
  ContinuousBatch,
  createSampler,
  generate,
  generateNow,
  loadChatTemplate,
  loadEmbedder,
  loadModel,
  loadTokenizer,
  nextStep,
  openCheckpoint,
  openSafetensors,
  readGenerationConfig,
} from "../src/index.ts";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const sums = at("../../../checkpoints/qwen3-sums");
const loaded = loadModel(at("../golden/tiny-untied"));
const { model } = loaded;
const nothing = Object.create(null);
const strange = [
  undefined,
  null,
  0,
  1.5,
  Number.NaN,
  "",
  "x",
  true,
  Symbol("s"),
  10n,
  [],
  {},
  () => {},
  nothing,
];

type Loose = (...args: unknown[]) => unknown;

/** What a call throws, or 0 for none; an iterator is asked once. */
function outcome(call: () => unknown): unknown {
  try {
    const made = call() as Partial<Generator> | undefined;
    made?.next?.();
    return 0;
  } catch (error) {
    return isQkNormError(error) ? error.code : error;
  }
}

const calls: Record<string, readonly [Loose, ...unknown[]]> = {
  generateNow: [generateNow as Loose, model, [1], { maxTokens: 1 }],
  generate: [generate as Loose, model, [1], { maxTokens: 1 }],
  "new ContinuousBatch": [
    ((made: typeof model, options: never) => new ContinuousBatch(made, options).dispose()) as Loose,
    model,
    { cache: { pages: 2 } },
  ],
  "ContinuousBatch.generate": [
    ((prompt: number[], options: object) => {
      using batch = new ContinuousBatch(model, { cache: { pages: 2 } });
      batch.generate(prompt, options);
    }) as Loose,
    [1],
    { maxTokens: 0 },
  ],
  nextStep: [nextStep as Loose, [1], model.newCache(), null],
  createSampler: [createSampler as Loose, {}],
  loadModel: [loadModel as Loose, sums],
  loadEmbedder: [loadEmbedder as Loose, sums],
  loadTokenizer: [loadTokenizer as Loose, sums],
  loadChatTemplate: [loadChatTemplate as Loose, sums],
  readGenerationConfig: [readGenerationConfig as Loose, sums],
  openCheckpoint: [openCheckpoint as Loose, sums],
  openSafetensors: [openSafetensors as Loose, `${sums}/model.safetensors`],
};

describe.each(Object.entries(calls))("%s", (_, [call, ...args]) => {
  it("takes its arguments, and of each other kind of value in their places throws an error with a code, or takes it", () => {
    expect(outcome(() => call(...args))).toBe(0);
    for (const place of args.keys()) {
      for (const value of strange) {
        const spoilt = args.map((arg, i) => (i === place ? value : arg));
        expect(outcome(() => call(...spoilt))).toBeOneOf([0, expect.stringMatching(/^ERR_/)]);
      }
    }
  });
});

it("says to who passes what loadModel returned, or a text, what to pass instead", () => {
  expect(() => generateNow(loaded as never, [1])).toThrow(/^the model must be one .*: pass its `model`$/);
  expect(() => generateNow(model, "why?" as never)).toThrow(
    /got "why\?"; the tokenizer's `encode` makes them/,
  );
  expect(() => new ContinuousBatch(model, {} as never)).toThrow(/as \{ cache: \{ bytes: 2 \*\* 30 \} \}/);
});

it.each([
  [{ sample: 1 }, /^sample must be a function, as `createSampler` makes, got 1$/],
  [{ stopIds: 7 }, /^stopIds must be an array of token ids, got 7$/],
  [{ signal: {} }, /^signal must be an AbortSignal, got an object$/],
  [{ maxTokens: "3" }, /^maxTokens must be an integer >= 0, or Infinity, got "3"$/],
  [{ maxTokens: 1.5 }, /^maxTokens must be an integer >= 0, or Infinity, got 1\.5$/],
  [{ stopIds: [2, "151645"] }, /^a stop id must be an integer, got "151645"$/],
  [{ stopIds: [undefined] }, /^a stop id must be an integer, got undefined$/],
])("refuses the options %o of a text before any work", (options, message) => {
  expect(() => generateNow(model, [1], options as never)).toThrow(message);
});

it.each(["badWordsIds", "sequenceBias", "suppressedIds", "endBoost", "forcedEnd", "temperature"])(
  "refuses every other kind of value as a sampler's %s",
  (name) => {
    for (const value of strange)
      expect(outcome(() => createSampler({ [name]: value }))).toBeOneOf([0, "ERR_GENERATION"]);
  },
);
