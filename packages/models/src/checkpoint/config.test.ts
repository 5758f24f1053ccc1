import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readConfig } from "./config.ts";
import { readGenerationConfig } from "./generation-config.ts";
import { parseQwen3Config } from "./qwen3-config.ts";

/** The fields that Qwen3-0.6B is published with. */
const published = {
  architectures: ["Qwen3ForCausalLM"],
  attention_bias: false,
  attention_dropout: 0.0,
  bos_token_id: 151643,
  eos_token_id: 151645,
  head_dim: 128,
  hidden_act: "silu",
  hidden_size: 1024,
  initializer_range: 0.02,
  intermediate_size: 3072,
  max_position_embeddings: 40960,
  max_window_layers: 28,
  model_type: "qwen3",
  num_attention_heads: 16,
  num_hidden_layers: 28,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-6,
  rope_scaling: null,
  rope_theta: 1000000,
  sliding_window: null,
  tie_word_embeddings: true,
  torch_dtype: "bfloat16",
  transformers_version: "4.51.0",
  use_cache: true,
  use_sliding_window: false,
  vocab_size: 151936,
};

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "config-"));
});
afterEach(() => rmSync(dir, { recursive: true }));
const write = (name: string, value: unknown) =>
  writeFileSync(join(dir, name), typeof value === "string" ? value : JSON.stringify(value));

describe("readConfig", () => {
  it("gives the family and the raw fields", () => {
    write("config.json", published);
    expect(readConfig(dir)).toEqual({ modelType: "qwen3", raw: published });
  });

  it.each<[unknown, string]>([
    ["", "config.json: is not valid JSON"],
    ["{", "config.json: is not valid JSON"],
    ["[]", "config.json must hold an object, got []"],
    ["null", "config.json must hold an object, got null"],
    [{}, "config.json: model_type is missing; it must be a string"],
    [{ model_type: 3 }, "config.json: model_type must be a string, got 3"],
    ['{"__proto__":{"model_type":"x"}}', "model_type is missing"],
  ])("refuses %j", (text, message) => {
    write("config.json", text);
    expect(() => readConfig(dir)).toThrow(message);
    expect(() => readConfig(dir)).toThrow(expect.objectContaining({ code: "ERR_CHECKPOINT" }));
  });

  it("refuses a hundred thousand brackets", () => {
    write("config.json", "[".repeat(100_000));
    expect(() => readConfig(dir)).toThrow("config.json: is not valid JSON");
  });

  it("says which of folder and file is missing", () => {
    expect(() => readConfig(dir)).toThrow("no config.json, so this is not a model folder");
    expect(() => readConfig(join(dir, "none"))).toThrow(/none: there is no such folder/);
  });

  it("refuses bytes that are not UTF-8", () => {
    writeFileSync(join(dir, "config.json"), Uint8Array.of(0x7b, 0xff, 0x7d));
    expect(() => readConfig(dir)).toThrow("config.json: is not UTF-8");
  });
});

describe("parseQwen3Config", () => {
  it("reads the published Qwen3-0.6B", () => {
    const config = parseQwen3Config(published);
    expect(config).toEqual({
      modelType: "qwen3",
      vocabSize: 151936,
      hiddenSize: 1024,
      intermediateSize: 3072,
      layers: 28,
      queryHeads: 16,
      kvHeads: 8,
      headDim: 128,
      eps: 1e-6,
      ropeTheta: 1e6,
      maxPositions: 40960,
      tieWordEmbeddings: true,
      attentionBias: false,
      dtype: "bfloat16",
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it("reads transformers 5's spelling of RoPE and dtype", () => {
    const { rope_theta: _, rope_scaling: __, torch_dtype: ___, ...rest } = published;
    const config = { ...rest, rope_parameters: { rope_theta: 5e6, rope_type: "default" }, dtype: "float32" };
    expect(parseQwen3Config(config)).toMatchObject({ ropeTheta: 5e6, dtype: "float32" });
    expect(parseQwen3Config({ ...published, rope_scaling: { type: "default" } }).ropeTheta).toBe(1e6);
  });

  it("fills absent fields as transformers does", () => {
    const {
      head_dim: _,
      rms_norm_eps: __,
      rope_theta: ___,
      torch_dtype: ____,
      tie_word_embeddings: _____,
      ...rest
    } = published;
    const expected = { headDim: 128, eps: 1e-6, ropeTheta: 10_000, dtype: null, tieWordEmbeddings: false };
    expect(parseQwen3Config(rest)).toMatchObject(expected);
    expect(parseQwen3Config({ ...rest, head_dim: null, num_key_value_heads: null })).toMatchObject({
      headDim: 64,
      kvHeads: 16,
    });
  });

  it.each<[Record<string, unknown>, string]>([
    [{ hidden_size: null }, "config.json: hidden_size must be a positive integer, got null"],
    [{ hidden_size: undefined }, "config.json: hidden_size must be a positive integer, got undefined"],
    [{ vocab_size: "151936" }, 'vocab_size must be a positive integer, got "151936"'],
    [{ num_hidden_layers: 0 }, "num_hidden_layers must be a positive integer, got 0"],
    [{ intermediate_size: 1.5 }, "intermediate_size must be a positive integer, got 1.5"],
    [{ max_position_embeddings: -1 }, "max_position_embeddings must be a positive integer, got -1"],
    [{ num_attention_heads: 12 }, "num_attention_heads is 12, not a multiple of num_key_value_heads 8"],
    [{ head_dim: 63 }, "head_dim is 63; RoPE rotates pairs, so it must be even"],
    [{ head_dim: null, hidden_size: 1000 }, "hidden_size 1000 is not a multiple of 16 heads"],
    [{ rms_norm_eps: 0 }, "rms_norm_eps must be a positive number, got 0"],
    [{ tie_word_embeddings: 1 }, "tie_word_embeddings must be true or false, got 1"],
    [{ hidden_act: "gelu" }, 'hidden_act must be "silu", got "gelu"'],
    [{ use_sliding_window: true }, "sliding-window attention is not supported"],
    [{ layer_types: ["full_attention", "sliding_attention"] }, 'layer_types must all be "full_attention"'],
    [{ quantization_config: { quant_method: "fp8" } }, 'asks for "fp8": quantised weights are not supported'],
    [
      { rope_scaling: { rope_type: "yarn", factor: 4 } },
      'rope_scaling.rope_type is "yarn"; only RoPE without scaling',
    ],
    [{ rope_scaling: { type: "linear", factor: 2 } }, 'rope_scaling.rope_type is "linear"'],
    [{ rope_scaling: "yarn" }, 'rope_scaling must be an object, got "yarn"'],
    [{ rope_parameters: { rope_theta: 3 } }, "rope_theta is written twice, differently: 3 and 1000000"],
    [{ rope_parameters: { partial_rotary_factor: 0.5 } }, "rope_parameters.partial_rotary_factor must be 1"],
    [{ torch_dtype: "int8" }, 'torch_dtype must be one of bfloat16, float16, float32, got "int8"'],
    [{ model_type: "llama" }, 'model_type must be "qwen3" here, got "llama"'],
  ])("refuses %j", (change, message) => {
    const act = () => parseQwen3Config({ ...published, ...change });
    expect(act).toThrow(message);
    expect(act).toThrow(expect.objectContaining({ code: "ERR_CHECKPOINT" }));
  });

  it("returns or throws ERR_CHECKPOINT, whatever any field is", () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(published)), fc.anything(), (key, value) => {
        try {
          parseQwen3Config({ ...published, [key]: value });
        } catch (error) {
          expect(error).toMatchObject({ code: "ERR_CHECKPOINT" });
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    "checkpoints/qwen3-sums",
    "packages/models/golden/tiny-tied",
    "packages/models/golden/tiny-untied",
  ])("reads %s", (folder) => {
    const { raw } = readConfig(join(import.meta.dirname, "../../../..", folder));
    expect(parseQwen3Config(raw).layers).toBe(raw.num_hidden_layers);
  });
});

describe("readGenerationConfig", () => {
  it("reads what the published Qwen3-0.6B has", () => {
    write("generation_config.json", {
      bos_token_id: 151643,
      do_sample: true,
      eos_token_id: [151645, 151643],
      pad_token_id: 151643,
      temperature: 0.6,
      top_k: 20,
      top_p: 0.95,
      transformers_version: "4.51.0",
    });
    expect(readGenerationConfig(dir, published)).toEqual({
      eosTokenIds: [151645, 151643],
      doSample: true,
      temperature: 0.6,
      topK: 20,
      topP: 0.95,
      minP: null,
      repetitionPenalty: null,
      maxNewTokens: null,
    });
  });

  it("falls back to config.json for the end of text, and to none", () => {
    expect(readGenerationConfig(dir, published).eosTokenIds).toEqual([151645]);
    write("generation_config.json", { eos_token_id: null });
    expect(readGenerationConfig(dir, { eos_token_id: [3, 3, 4] }).eosTokenIds).toEqual([3, 4]);
    expect(readGenerationConfig(dir)).toMatchObject({ eosTokenIds: [], doSample: false });
  });

  it.each<[unknown, string]>([
    [
      { eos_token_id: "</s>" },
      'generation_config.json: eos_token_id must be a token id or a list of them, got "</s>"',
    ],
    [{ eos_token_id: [1, -2] }, "got [1, -2]"],
    [{ top_k: 0.5 }, "top_k must be an integer from 0, got 0.5"],
    [{ do_sample: "yes" }, 'do_sample must be true or false, got "yes"'],
    [{ temperature: [] }, "temperature must be a number, got []"],
    [{ max_new_tokens: 0 }, "max_new_tokens must be a positive integer, got 0"],
    ["nope", "generation_config.json: is not valid JSON"],
  ])("refuses %j", (content, message) => {
    write("generation_config.json", content);
    expect(() => readGenerationConfig(dir)).toThrow(message);
    expect(() => readGenerationConfig(dir)).toThrow(expect.objectContaining({ code: "ERR_CHECKPOINT" }));
  });

  it("reads the checkpoint in this repository, whose end of text is a list", () => {
    const folder = join(import.meta.dirname, "../../../../checkpoints/qwen3-sums");
    const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
    expect(readGenerationConfig(folder, config)).toMatchObject({ eosTokenIds: [256, 258], doSample: false });
  });
});
