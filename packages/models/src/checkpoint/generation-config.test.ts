import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type GenerationConfig, readGenerationConfig } from "./generation-config.ts";
import type { JsonObject } from "./json-file.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "generation-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** What a folder with such a file says. */
function read(file: unknown, config: JsonObject = {}): GenerationConfig {
  writeFileSync(join(dir, "generation_config.json"), typeof file === "string" ? file : JSON.stringify(file));
  return readGenerationConfig(dir, config);
}

/** What Qwen3-0.6B is published with. */
const published = {
  bos_token_id: 151643,
  do_sample: true,
  eos_token_id: [151645, 151643],
  pad_token_id: 151643,
  temperature: 0.6,
  top_k: 20,
  top_p: 0.95,
  transformers_version: "4.51.0",
};

describe("readGenerationConfig", () => {
  it("reads what the published Qwen3-0.6B has", () => {
    const generation = read(published);
    expect(generation.eosTokenIds).toEqual([151645, 151643]);
    expect(generation.doSample).toBe(true);
    expect(generation.sampling()).toMatchObject({ temperature: 0.6, topK: 20, topP: 0.95, minP: undefined });
    expect(generation.maxNewTokens(5)).toBe(null);
    expect(generation.warnings).toEqual([]);
  });

  it("falls back to config.json for the end of text, and to none", () => {
    expect(readGenerationConfig(dir, { eos_token_id: 7 }).eosTokenIds).toEqual([7]);
    expect(read({ eos_token_id: null }, { eos_token_id: [3, 3, 4] }).eosTokenIds).toEqual([3, 4]);
    expect(read({}).eosTokenIds).toEqual([]);
  });

  it("takes all keys from config.json where there is no file of their own, as older folders have them", () => {
    const old = { hidden_size: 4, do_sample: true, repetition_penalty: 1.5, max_length: 9, num_beams: 4 };
    const generation = readGenerationConfig(dir, old);
    expect(generation.sampling()).toMatchObject({ temperature: 1, topK: 50, repetitionPenalty: 1.5 });
    expect(generation.maxNewTokens(5)).toBe(4);
    expect(generation.warnings).toEqual([
      "config.json: not done here, so that answers may differ: num_beams",
    ]);
    expect(read({}, old).sampling()).toMatchObject({ temperature: 0 });
  });

  it("draws from the 50 likeliest tokens where nobody says how many, as transformers does", () => {
    expect(read({ do_sample: true }).sampling().topK).toBe(50);
    expect(read({ do_sample: true, top_k: null }).sampling().topK).toBe(50);
    expect(read({}).sampling({ temperature: 0.5 }).topK).toBe(50);
    expect(read({ do_sample: true, top_k: 0 }).sampling().topK).toBe(0);
    expect(read({ do_sample: true, top_k: -1 }).sampling().topK).toBe(-1);
    expect(read({ do_sample: true }).sampling({ topK: 0 }).topK).toBe(0);
  });

  it("lets an option go before the file's value, be that one right or wrong", () => {
    const generation = read({ do_sample: true, temperature: "hot", top_k: 0.5, repetition_penalty: [] });
    const given = { temperature: 0.5, topK: 3, repetitionPenalty: 1 };
    expect(generation.sampling(given)).toMatchObject(given);
    expect(() => generation.sampling({ temperature: 0.5, topK: 3 })).toThrow(
      "generation_config.json: repetition_penalty must be a number, got []",
    );
  });

  it("needs no sampling key to take the likeliest token", () => {
    const wrong = { do_sample: true, temperature: "hot", top_p: 7, top_k: [], typical_p: {} };
    expect(read(wrong).sampling({ temperature: 0 })).toMatchObject({ temperature: 0 });
    expect(read({ ...wrong, do_sample: false }).sampling()).toMatchObject({ temperature: 0 });
  });

  it("hands on every rule about tokens", () => {
    const generation = read({
      eos_token_id: 9,
      min_new_tokens: 2,
      no_repeat_ngram_size: 3,
      bad_words_ids: [[1], [2, 3]],
      sequence_bias: [[[4, 5], -2.5]],
      suppress_tokens: [6, 6],
      begin_suppress_tokens: [7],
      forced_bos_token_id: 8,
      forced_eos_token_id: [9],
      exponential_decay_length_penalty: [5, 1.2],
      max_length: 30,
    });
    expect(generation.sampling()).toMatchObject({
      endIds: [9],
      minNewTokens: 2,
      noRepeatNgramSize: 3,
      badWordsIds: [[1], [2, 3]],
      sequenceBias: [{ ids: [4, 5], bias: -2.5 }],
      suppressedIds: [6],
      suppressedFirstIds: [7],
      forcedFirstId: 8,
      forcedEnd: { ids: [9], length: 30 },
      endBoost: { start: 5, factor: 1.2 },
    });
    expect(generation.warnings).toEqual([]);
  });

  it("says how many tokens may follow a prompt", () => {
    expect(read({ max_new_tokens: 8, max_length: 20 }).maxNewTokens(15)).toBe(8);
    expect(read({ max_length: 20 }).maxNewTokens(15)).toBe(5);
    expect(read({ max_length: 20 }).maxNewTokens(25)).toBe(0);
  });

  it("names what it does not do in one warning, but not what asks for nothing", () => {
    const { warnings } = read({
      num_beams: 4,
      length_penalty: 2,
      penalty_alpha: 0.6,
      guidance_scale: 1.5,
      stop_strings: ["x"],
      something_new: true,
      use_cache: false,
      num_return_sequences: 1,
    });
    expect(warnings).toEqual([
      "generation_config.json: not done here, so that answers may differ: " +
        "num_beams, penalty_alpha, guidance_scale, stop_strings, something_new",
    ]);
  });

  it.each<[unknown, string]>([
    [
      { eos_token_id: "</s>" },
      'generation_config.json: eos_token_id must be a token id or a list of them, got "</s>"',
    ],
    [{ eos_token_id: [1, -2] }, "got [1, -2]"],
    [{ do_sample: "yes" }, 'do_sample must be true or false, got "yes"'],
    [{ do_sample: true, temperature: [] }, "temperature must be a number, got []"],
    [{ do_sample: true, top_p: "x".repeat(1e6) }, `got "${"x".repeat(80)}"...`],
    [{ min_length: -1 }, "min_length must be an integer from 0, got -1"],
    [{ bad_words_ids: [1] }, "bad_words_ids must be lists of token ids, got [1]"],
    [{ sequence_bias: { 1: 2 } }, "sequence_bias must be pairs of token ids and a number, got an object"],
    [
      { exponential_decay_length_penalty: [1] },
      "exponential_decay_length_penalty must be a number of tokens",
    ],
    ["nope", "generation_config.json: is not valid JSON"],
  ])("refuses %j when it is asked", (content, message) => {
    const act = () => read(content).sampling();
    expect(act).toThrow(message);
    expect(act).toThrow(expect.objectContaining({ code: "ERR_CHECKPOINT" }));
  });

  it("refuses a limit that is none", () => {
    expect(() => read({ max_new_tokens: 0 }).maxNewTokens(1)).toThrow(
      "max_new_tokens must be a positive integer, got 0",
    );
  });
});
